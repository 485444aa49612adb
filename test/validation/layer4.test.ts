import { describe, expect, it } from "vitest";
import type { CreateIngressRequest } from "../../src/model/api.ts";
import { ClaimIndex } from "../../src/model/claims/claim-index.ts";
import { claimProblems } from "../../src/validation/claims.ts";
import { normalizeRules } from "../../src/validation/normalize.ts";
import { parseBody } from "../../src/validation/schema.ts";
import { semanticProblems } from "../../src/validation/semantic.ts";

const target = { instance: "vm", port: 5432 };
const ports = { httpPort: 80, httpsPort: 443 };

function problemsOf(rule: object): string[] {
  const request = parseBody("CreateIngressRequest", { name: "x", rules: [{ target, ...rule }] } as never);
  return semanticProblems(request).map(({ field = "", message }) => {
    const part = field.replace("rules[0].", "");
    // What is wrong is said, after the field.
    expect(message).toMatch(/(?:: |is required|requires).{10}/);
    return part;
  });
}

const tcp = { match: { protocol: "tcp", port: 5432 } };
const tls = { match: { protocol: "tls", hostname: "db.test" } };
const udp = { match: { protocol: "udp", port: 53 } };

describe("rules of layer 4", () => {
  it.each([
    ["tcp", tcp],
    ["udp", udp],
    ["tls", tls],
    ["tls, fallback", { match: { protocol: "tls", hostname: "*" } }],
    [
      "tls, capture",
      { match: { protocol: "tls", hostname: "{vm}.test" }, target: { instance: "{vm}", port: 1 } },
    ],
    ["tcp, ended", { match: { protocol: "tcp", hostname: "db.test", port: 5432 }, tls: true }],
    [
      "tcp as it is answered",
      { match: { protocol: "tcp", hostname: "*", port: 22 }, tls: false, redirect_http: false },
    ],
    [
      "tcp, every policy",
      {
        ...tcp,
        upstream: { proxy_protocol: "v2" },
        policies: {
          access: { allow: ["10.0.0.0/8"] },
          load_balancing: { policy: "ip_hash" },
          health_check: { active: { interval: "5s", port: 1 }, passive: { max_fails: 2 } },
          timeouts: { connect: "1s", idle: "1m" },
          max_connections: 5,
        },
      },
    ],
  ])("are taken: %s", (_about, rule) => expect(problemsOf(rule)).toEqual([]));

  it.each([
    ["tcp without a port", { match: { protocol: "tcp" } }, ["match.port"]],
    ["udp without a port", { match: { protocol: "udp" } }, ["match.port"]],
    ["tcp with a name", { match: { protocol: "tcp", hostname: "db.test", port: 1 } }, ["match.hostname"]],
    ["tcp, ended, without a name", { ...tcp, tls: true }, ["match.hostname"]],
    ["an IP address as name", { match: { protocol: "tls", hostname: "192.0.2.1" } }, ["match.hostname"]],
    ["an IPv6 address as name", { match: { protocol: "tls", hostname: "2001:db8::1" } }, ["match.hostname"]],
    ["an IPv6 address in brackets", { match: { protocol: "tls", hostname: "[::1]" } }, ["match.hostname"]],
    [
      "path, methods, headers",
      {
        match: { ...tls.match, path: { type: "prefix", value: "/" }, methods: ["GET"], headers: { a: "b" } },
      },
      ["match.path", "match.methods", "match.headers"],
    ],
    ["tls that is ended", { ...tls, tls: true }, ["tls"]],
    ["udp over TLS", { ...udp, tls: true }, ["tls"]],
    ["a scheme", { ...tcp, upstream: { scheme: "https" } }, ["upstream.scheme"]],
    [
      "TLS to a target of udp",
      { ...udp, upstream: { tls: { insecure_skip_verify: true } } },
      ["upstream.tls"],
    ],
    ["PROXY over udp", { ...udp, upstream: { proxy_protocol: "v1" } }, ["upstream.proxy_protocol"]],
    ["TLS in passthrough", { ...tls, upstream: { tls: { server_name: "a.test" } } }, ["upstream.tls"]],
    [
      "TLS to a target without its name",
      { ...tcp, upstream: { tls: { certificate: "x" } } },
      ["upstream.tls.server_name"],
    ],
    [
      "policies of requests",
      { ...tcp, policies: { compress: true, rewrite: { strip_prefix: "/a" } } },
      ["policies.compress", "policies.rewrite"],
    ],
    [
      "balancing by request",
      { ...tcp, policies: { load_balancing: { policy: "uri_hash", retries: 1 } } },
      ["policies.load_balancing.policy", "policies.load_balancing.retries"],
    ],
    [
      "checks by request",
      { ...tcp, policies: { health_check: { active: { path: "/" } } } },
      ["policies.health_check.active.path"],
    ],
    [
      "checks of udp",
      { ...udp, policies: { health_check: { active: { interval: "5s" } } } },
      ["policies.health_check.active"],
    ],
    [
      "checks of hosts and statuses",
      { ...tcp, policies: { health_check: { active: { host: "a.test", status: 200 } } } },
      ["policies.health_check.active.host", "policies.health_check.active.status"],
    ],
    [
      "redirects and header secrets",
      {
        ...tls,
        redirect_http: true,
        request_header_auth: { header: "X-Key", value: "k".repeat(32) },
      },
      ["redirect_http", "request_header_auth", "redirect_http"],
    ],
    [
      "HSTS",
      {
        match: { protocol: "tcp", hostname: "db.test", port: 5432 },
        tls: true,
        tls_options: { hsts: {} },
      },
      ["tls_options.hsts"],
    ],
    ["a target that is woken", { ...tcp, target: { ...target, wake: true } }, ["target.wake"]],
    ["a target that pauses", { ...tcp, target: { ...target, mode: "pause" } }, ["target.mode"]],
    [
      "one of several that pauses",
      { ...tcp, target: undefined, targets: [target, { ...target, mode: "pause" }] },
      ["targets[1].mode"],
    ],
    [
      "times of responses",
      { ...tcp, policies: { timeouts: { response_header: "1s" } } },
      ["policies.timeouts.response_header"],
    ],
    ["a short idle time", { ...tcp, policies: { timeouts: { idle: "99ms" } } }, ["policies.timeouts.idle"]],
    ["a long idle time", { ...tcp, policies: { timeouts: { idle: "86401s" } } }, ["policies.timeouts.idle"]],
    ["no time", { ...tcp, policies: { timeouts: { idle: "soon" } } }, ["policies.timeouts.idle"]],
    [
      "a limit of connections over HTTP",
      { match: { hostname: "a.test" }, policies: { max_connections: 1 } },
      ["policies.max_connections"],
    ],
  ])("are refused: %s", (_about, rule, fields) => expect(new Set(problemsOf(rule))).toEqual(new Set(fields)));

  it("may drain, and wait for up to a day", () => {
    const drained = { ...target, mode: "drain" };
    expect(problemsOf({ ...tcp, target: drained, policies: { timeouts: { idle: "100ms" } } })).toEqual([]);
    expect(problemsOf({ ...udp, target: drained, policies: { timeouts: { idle: "24h" } } })).toEqual([]);
  });

  it("name the ways to balance that they have", () => {
    const request = {
      name: "x",
      rules: [{ target, ...tcp, policies: { load_balancing: { policy: "cookie" } } }],
    };
    expect(semanticProblems(request as CreateIngressRequest).map(({ message }) => message)).toEqual([
      "invalid policies.load_balancing.policy in rule 0: with protocol tcp use round_robin, least_conn, random, ip_hash, first",
    ]);
  });

  it("need a hostname but for tcp and udp", () => {
    expect(() => problemsOf({ match: { protocol: "tls" } })).toThrow(/hostname/);
    expect(() => problemsOf({ match: {} })).toThrow(/hostname/);
  });

  it("name what is taken by protocol and port, others by all that tells them apart, without values", () => {
    const headers = { "X-Key": "secret", "X-Team": "a" };
    const request = {
      name: "x",
      rules: [
        { ...tcp, target },
        { ...tls, target },
        { match: { hostname: "a.test", methods: ["GET", "PUT"], headers }, target },
      ],
    } as CreateIngressRequest;
    const rules = normalizeRules(request, ports);
    const claims = new ClaimIndex();
    claims.add({ id: "1", name: "first", rules });
    expect(claimProblems(claims.conflicts(rules)).map(({ code, message }) => [code, message])).toEqual([
      [
        "port_in_use",
        'port already in use by another ingress: tcp port 5432 is already used by ingress "first"',
      ],
      [
        "hostname_in_use",
        'hostname already in use by another ingress: hostname "db.test" on port 443, protocol tls is already used by ingress "first"',
      ],
      [
        "hostname_in_use",
        'hostname already in use by another ingress: hostname "a.test" on port 80, methods GET, PUT, headers X-Key, X-Team is already used by ingress "first"',
      ],
    ]);
  });

  it("have one form, and normalising it again changes nothing", () => {
    const request = {
      name: "x",
      rules: [
        { ...tcp, target },
        { ...tls, target },
      ],
    } as CreateIngressRequest;
    const rules = normalizeRules(request, ports);
    expect(rules.map(({ match }) => match)).toEqual([
      { protocol: "tcp", hostname: "*", port: 5432 },
      { protocol: "tls", hostname: "db.test", port: 443 },
    ]);
    expect(normalizeRules({ name: "x", rules }, ports)).toEqual(rules);
  });
});
