import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../src/model/api.ts";
import { normalizeRules, semanticProblems } from "../../src/validation/ingress.ts";
import { schemaProblems } from "../support/schema-problems.ts";

function ruleOf(parts: object): IngressRuleInput {
  return { match: { hostname: "a.example.com" }, ...parts } as IngressRuleInput;
}

/** Codes and fields of all problems: of the schema, or beyond it where the schema is met. */
function problemsOf(parts: object): (readonly [code: string, field: string | undefined])[] {
  const request = { name: "a", rules: [ruleOf(parts)] };
  const schema = schemaProblems("CreateIngressRequest", request);
  const found = schema.length > 0 ? schema : semanticProblems(request);
  for (const { message } of found) expect(message).toMatch(/^[a-z].{10,}/i);
  return found.map(({ code, field }) => [code, field?.replace("rules[0].", "")] as const);
}

const vm = { instance: "vm", port: 80 };
const one = (change: object) => ({ target: { ...vm, ...change } });
const address = (change: object) => ({ target: { address: "backend.example.com", port: 80, ...change } });
const balancing = (load_balancing: object) => ({ target: vm, policies: { load_balancing } });
const active = (check: object) => ({ target: vm, policies: { health_check: { active: check } } });
const passive = (check: object) => ({ target: vm, policies: { health_check: { passive: check } } });
const pattern = (parts: object) => ({ match: { hostname: "{x}.example.com" }, ...parts });

describe("targets are refused", () => {
  it.each<[what: string, parts: object, code: string, field: string]>([
    ["neither target nor targets", {}, "required", "target"],
    ["both", { target: vm, targets: [vm] }, "invalid_value", "targets"],
    ["an empty pool", { targets: [] }, "out_of_range", "targets"],
    ["a pool of too many", { targets: Array(101).fill(vm) }, "out_of_range", "targets"],
    ["a pool that is no list", { targets: vm }, "wrong_type", "targets"],
    ["nothing that is named", { target: { port: 80 } }, "required", "target.instance"],
    ["no port", { target: { service: "web" } }, "required", "target.port"],
    ["an unknown key", one({ wait: 1 }), "unknown_key", "target.wait"],
    ["instance and service", one({ service: "web" }), "invalid_value", "target"],
    [
      "service and address",
      { targets: [{ service: "web", address: "10.0.0.1", port: 80 }] },
      "invalid_value",
      "targets[0]",
    ],
    ["an empty instance", { targets: [vm, { instance: "", port: 80 }] }, "required", "targets[1].instance"],
    ["a service with dots", { target: { service: "a.b", port: 80 } }, "invalid_target", "target.service"],
    ["an empty service", { target: { service: "", port: 80 } }, "out_of_range", "target.service"],
    [
      "captures in a service",
      pattern({ target: { service: "{x}", port: 80 } }),
      "invalid_target",
      "target.service",
    ],
    [
      "captures in an address",
      pattern({ target: { address: "{x}.test", port: 80 } }),
      "invalid_target",
      "target.address",
    ],
    ["a URL as address", address({ address: "http://10.0.0.1" }), "invalid_target", "target.address"],
    ["an address with a port", address({ address: "10.0.0.1:80" }), "invalid_target", "target.address"],
    ["half an IPv4 address", address({ address: "10.0.1" }), "invalid_target", "target.address"],
    ["an address with a zone", address({ address: "fe80::1%eth0" }), "invalid_target", "target.address"],
    ["placeholders in an address", address({ address: "{env.HOME}" }), "invalid_target", "target.address"],
    [
      "a resolver that is a name",
      address({ resolvers: ["dns.example.com"] }),
      "invalid_target",
      "target.resolvers[0]",
    ],
    [
      "a resolver with port 0",
      address({ resolvers: ["10.0.0.2", "10.0.0.2:0"] }),
      "invalid_target",
      "target.resolvers[1]",
    ],
    [
      "an IPv6 resolver without brackets",
      address({ resolvers: ["fd00::2:5300:"] }),
      "invalid_target",
      "target.resolvers[0]",
    ],
    ["no resolvers", address({ resolvers: [] }), "out_of_range", "target.resolvers"],
    [
      "resolvers of an IP address",
      address({ address: "10.0.0.1", resolvers: ["10.0.0.2"] }),
      "invalid_target",
      "target.resolvers",
    ],
    ["resolvers of an instance", one({ resolvers: ["10.0.0.2"] }), "invalid_target", "target.resolvers"],
    ["port 0", { target: { service: "web", port: 0 } }, "out_of_range", "target.port"],
    ["port 65536", { targets: [vm, { ...vm, port: 65_536 }] }, "out_of_range", "targets[1].port"],
    ["a negative weight", one({ weight: -1 }), "out_of_range", "target.weight"],
    ["a weight of 1001", one({ weight: 1001 }), "out_of_range", "target.weight"],
    ["half a weight", one({ weight: 0.5 }), "wrong_type", "target.weight"],
    [
      "weights of nothing but 0",
      {
        targets: [
          { ...vm, weight: 0 },
          { ...vm, weight: 0 },
        ],
      },
      "invalid_value",
      "targets",
    ],
    ["an unknown mode", one({ mode: "stop" }), "invalid_value", "target.mode"],
    [
      "a pause without a unit",
      one({ mode: "pause", pause_timeout: "10" }),
      "invalid_value",
      "target.pause_timeout",
    ],
    [
      "a pause of more than 10m",
      one({ mode: "pause", pause_timeout: "10m1s" }),
      "invalid_value",
      "target.pause_timeout",
    ],
    ["a wake-up of no time", one({ wake: true, wake_timeout: "0s" }), "invalid_value", "target.wake_timeout"],
    [
      "a wake-up of a service",
      { target: { service: "web", port: 80, wake: true } },
      "invalid_target",
      "target.wake",
    ],
    ["wake as text", one({ wake: "yes" }), "wrong_type", "target.wake"],
    [
      "an unknown capture in a pool",
      pattern({ targets: [{ instance: "{y}", port: 80 }] }),
      "invalid_target",
      "targets[0].instance",
    ],
    [
      "junk around a capture in a pool",
      pattern({ targets: [{ instance: "{x}/..", port: 80 }] }),
      "invalid_target",
      "targets[0].instance",
    ],
    [
      "an instance without a capture beside a service, of which one is too much",
      pattern({ target: { ...vm, service: "web" } }),
      "invalid_value",
      "target",
    ],
    ["a pattern's target without a capture", pattern({ target: vm }), "invalid_target", "target.instance"],
  ])("%s", (_what, parts, code, field) => {
    expect(problemsOf(parts)).toEqual([[code, field]]);
  });

  it("each with its place, all at once", () => {
    const targets = [
      { ...vm, port: 0 },
      { service: "a.b", port: 80, wake: true },
    ];
    expect(problemsOf({ targets })).toEqual([
      ["out_of_range", "targets[0].port"],
      ["invalid_target", "targets[1].service"],
      ["invalid_target", "targets[1].wake"],
    ]);
  });
});

describe("targets are taken", () => {
  it.each<[what: string, parts: object]>([
    ["a pool with a target that takes nothing for now", { targets: [{ ...vm, weight: 0 }, vm] }],
    ["an absolute DNS name", address({ address: "backend.example.com." })],
    ["labels with digits", address({ address: "1.2b.c3" })],
    ["a name of one label", address({ address: "localhost" })],
    ["an IPv6 address", address({ address: "2001:db8::1" })],
    ["a service under a pattern", pattern({ target: { service: "web", port: 80 } })],
    ["an address under a pattern", pattern({ target: { address: "10.0.0.1", port: 80 } })],
    ["braces under a literal hostname, as text", { target: { instance: "{x}", port: 80 } }],
    ["a fixed instance beside a captured one", pattern({ targets: [{ instance: "{x}", port: 80 }, vm] })],
    ["times at their bounds", one({ mode: "pause", pause_timeout: "10m", wake: true, wake_timeout: "1ms" })],
    ["checks at their bounds", active({ interval: "100ms", timeout: "1m" })],
    ["rarest checks", active({ interval: "1h", timeout: "10ms" })],
    ["a path with a query", active({ path: "/a-b/~c?d=%20!" })],
    ["the shortest path", active({ path: "/" })],
    ["a host with a port", active({ host: "a_b.example.com:65535" })],
    ["an IPv6 host", active({ host: "[2001:db8::1]" })],
    ["an IPv6 host with a port", active({ host: "[::1]:80" })],
    ["failures of an hour", passive({ fail_duration: "1h" })],
    ["a wait of 10m", balancing({ try_duration: "10m" })],
  ])("%s", (_what, parts) => {
    expect(problemsOf(parts)).toEqual([]);
  });

  it.each(["10.20", "example.1", "1.example.22", "a..b", "-a.b", "a-.b", "a b", "."])(
    "but no address %s",
    (text) => {
      expect(problemsOf(address({ address: text }))).toEqual([["invalid_target", "target.address"]]);
    },
  );

  it("and what else is wrong is said", () => {
    const rules = [ruleOf({ ...active({ path: "x", host: "a b", interval: "1ms", timeout: "1ms" }) })];
    expect(semanticProblems({ name: "a", rules }).map(({ message }) => message)).toEqual([
      'policies.health_check.active.path in rule 0 must begin with "/" and be visible ASCII without "#"; percent-encode the rest',
      "policies.health_check.active.host in rule 0 must be a hostname, with or without a port",
      "policies.health_check.active.interval in rule 0 must be a time from 100ms to 1h",
      "policies.health_check.active.timeout in rule 0 must be a time from 10ms to 1m",
    ]);
  });
});

describe("load_balancing is refused", () => {
  it.each<[what: string, parts: object, code: string, field: string]>([
    ["an empty one", balancing({}), "out_of_range", ""],
    ["an unknown policy", balancing({ policy: "best" }), "invalid_value", ".policy"],
    ["an unknown key", balancing({ weights: [1] }), "unknown_key", ".weights"],
    ["header without a name", balancing({ policy: "header" }), "invalid_value", ".header"],
    ["a header that is none", balancing({ policy: "header", header: "a b" }), "invalid_value", ".header"],
    [
      "a header for another policy",
      balancing({ policy: "cookie", header: "X-User" }),
      "invalid_value",
      ".header",
    ],
    ["a cookie that is none", balancing({ policy: "cookie", cookie: "a;b" }), "invalid_value", ".cookie"],
    ["a cookie for another policy", balancing({ cookie: "stick" }), "invalid_value", ".cookie"],
    ["11 retries", balancing({ retries: 11 }), "out_of_range", ".retries"],
    ["a retry less than none", balancing({ retries: -1 }), "out_of_range", ".retries"],
    ["a time without a unit", balancing({ try_duration: "5" }), "invalid_value", ".try_duration"],
    ["more than 10m", balancing({ try_duration: "11m" }), "invalid_value", ".try_duration"],
  ])("%s", (_what, parts, code, field) => {
    expect(problemsOf(parts)).toEqual([[code, `policies.load_balancing${field}`]]);
  });
});

describe("health_check is refused", () => {
  it.each<[what: string, parts: object, code: string, field: string]>([
    ["an empty one", { target: vm, policies: { health_check: {} } }, "out_of_range", ""],
    ["an empty active one", active({}), "out_of_range", ".active"],
    ["an unknown key", active({ uri: "/" }), "unknown_key", ".active.uri"],
    ["a path without a slash", active({ path: "healthz" }), "invalid_value", ".active.path"],
    ["a path with a line break", active({ path: "/a\r\nX: y" }), "invalid_value", ".active.path"],
    ["a path with a fragment", active({ path: "/a#b" }), "invalid_value", ".active.path"],
    ["a host with a line break", active({ host: "a\nb" }), "invalid_value", ".active.host"],
    ["a host with a port that is too long", active({ host: "a:123456" }), "invalid_value", ".active.host"],
    ["a host without the port it announces", active({ host: "a:" }), "invalid_value", ".active.host"],
    ["a name in brackets", active({ host: "[x.test]:80" }), "invalid_value", ".active.host"],
    ["an IPv6 host with a tail", active({ host: "[::1]:80/" }), "invalid_value", ".active.host"],
    ["a path behind a space", active({ path: " /" }), "invalid_value", ".active.path"],
    ["a path with a tilde and a space", active({ path: "/~ " }), "invalid_value", ".active.path"],
    ["port 0", active({ port: 0 }), "out_of_range", ".active.port"],
    ["an interval of no time", active({ interval: "0s" }), "invalid_value", ".active.interval"],
    ["an interval below 100ms", active({ interval: "99ms" }), "invalid_value", ".active.interval"],
    ["an interval above 1h", active({ interval: "61m" }), "invalid_value", ".active.interval"],
    ["a timeout above 1m", active({ timeout: "61s" }), "invalid_value", ".active.timeout"],
    ["a timeout that is none", active({ timeout: "soon" }), "invalid_value", ".active.timeout"],
    ["status 99", active({ status: 99 }), "out_of_range", ".active.status"],
    ["a list of statuses", active({ status: [200] }), "wrong_type", ".active.status"],
    ["a threshold of 0", active({ healthy_threshold: 0 }), "out_of_range", ".active.healthy_threshold"],
    [
      "a threshold of 101",
      active({ unhealthy_threshold: 101 }),
      "out_of_range",
      ".active.unhealthy_threshold",
    ],
    ["an empty passive one", passive({}), "out_of_range", ".passive"],
    ["0 failures", passive({ max_fails: 0 }), "out_of_range", ".passive.max_fails"],
    ["a time above 1h", passive({ fail_duration: "2h" }), "invalid_value", ".passive.fail_duration"],
    ["a time below 100ms", passive({ fail_duration: "1ms" }), "invalid_value", ".passive.fail_duration"],
  ])("%s", (_what, parts, code, field) => {
    expect(problemsOf(parts)).toEqual([[code, `policies.health_check${field}`]]);
  });
});

describe("targets are normalised", () => {
  const normal = (parts: object) =>
    normalizeRules({ name: "a", rules: [ruleOf(parts)] }, { httpPort: 80, httpsPort: 443 })[0];

  it("to hypeman's form, where it is one", () => {
    const rule = normal({ target: { ...vm, mode: "active", wake: false } });
    expect(JSON.stringify(rule?.target)).toBe('{"instance":"vm","port":80}');
    expect(rule).not.toHaveProperty("targets");
  });

  it("names in lowercase, addresses in one spelling, defaults left out; and again the same", () => {
    const rule = normal({
      targets: [
        { service: "Web-API", port: 80, weight: 1 },
        { address: "FD00:0::1", port: 81 },
        { address: "::ffff:10.0.0.1", port: 82 },
        { address: "DB.Example.com.", port: 83, resolvers: ["10.0.0.2"] },
        { ...vm, mode: "pause", pause_timeout: "1m", wake: true, wake_timeout: "5s", weight: 0 },
      ],
    });
    expect(rule?.targets).toEqual([
      { service: "web-api", port: 80, weight: 1 },
      { address: "fd00::1", port: 81 },
      { address: "10.0.0.1", port: 82 },
      { address: "db.example.com", port: 83, resolvers: ["10.0.0.2"] },
      { ...vm, mode: "pause", pause_timeout: "1m", wake: true, wake_timeout: "5s", weight: 0 },
    ]);
    expect(normal({ targets: rule?.targets })?.targets).toEqual(rule?.targets);
  });
});
