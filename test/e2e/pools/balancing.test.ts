import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { IngressRuleInput, LoadBalancingPolicy } from "../../../src/model/api.ts";
import { type Call, call, createIngress } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { startFleet } from "../../support/fleet.ts";
import { freePort } from "../../support/free-port.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright();
const fleet = use(() => startFleet(gatewright.url, ["a", "b", "c"]));

let count = 0;

/** Creates an ingress with a host of its own and returns the host. */
async function serve(rule: Partial<IngressRuleInput>): Promise<string> {
  const name = `pool-${++count}`;
  const rules = [{ match: { hostname: `${name}.example.com` }, ...rule }] as readonly IngressRuleInput[];
  await gatewright.make(name, ...rules);
  return `${name}.example.com`;
}

const pool = (...names: string[]) => names.map((instance) => ({ instance, port: fleet.port }));
const balanced = (load_balancing: LoadBalancingPolicy) => ({
  targets: pool("a", "b", "c"),
  policies: { load_balancing },
});

async function backendOf(host: string, path = "/", options: Call = {}): Promise<string> {
  const answer = await gatewright.visit<Seen>(host, path, options);
  expect(answer.status, answer.text).toBe(200);
  return answer.body.backend;
}

async function tally(host: string, requests: number): Promise<{ [backend: string]: number }> {
  const counts: { [backend: string]: number } = {};
  for (let index = 0; index < requests; index += 1) {
    const backend = await backendOf(host);
    counts[backend] = (counts[backend] ?? 0) + 1;
  }
  return counts;
}

describe("a pool", () => {
  it("goes round its targets by default", async () => {
    const host = await serve({ targets: pool("a", "b", "c") });
    expect(await tally(host, 12)).toEqual({ a: 4, b: 4, c: 4 });
  });

  it("splits by weight, evenly spread: 90/10, and 0 takes nothing", async () => {
    const weights = [90, 10, 0];
    const targets = pool("a", "b", "c").map((target, index) => ({ ...target, weight: weights[index] ?? 0 }));
    const host = await serve({ targets });
    expect(await tally(host, 50)).toEqual({ a: 45, b: 5 });
  });

  it("counts weights by target, however many instances a service has", async () => {
    await using web = await startFleet(gatewright.url, ["web-1", "web-2", "web-3"], "web");
    const host = await serve({
      targets: [
        { service: "web", port: web.port, weight: 3 },
        { instance: "a", port: fleet.port, weight: 1 },
      ],
    });
    expect(await tally(host, 36)).toEqual({ "web-1": 9, "web-2": 9, "web-3": 9, a: 9 });
  });

  it("is met by the retry when a target takes no connections", async () => {
    await gatewright.put("dead", "127.0.0.1");
    const host = await serve({ targets: [{ instance: "dead", port: await freePort() }, ...pool("a")] });
    expect(await tally(host, 6)).toEqual({ a: 6 });
  });

  it("answers 502 without retries", async () => {
    await gatewright.put("dead", "127.0.0.1");
    const host = await serve({
      targets: [{ instance: "dead", port: await freePort() }, ...pool("a")],
      policies: { load_balancing: { retries: 0 } },
    });
    const statuses = [await gatewright.visit(host), await gatewright.visit(host)].map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 502]);
  });

  it("expands captures beside a fixed instance", async () => {
    const name = `capture-${++count}`;
    const rules = [
      { match: { hostname: `{x}.${name}.example.com` }, targets: [...pool("{x}"), ...pool("c")] },
    ];
    const created = await createIngress({ url: gatewright.url, name, rules });
    expect(created.status, created.text).toBe(201);
    expect(await tally(`b.${name}.example.com`, 4)).toEqual({ b: 2, c: 2 });
    expect(await tally(`nobody.${name}.example.com`, 2)).toEqual({ c: 2 });
  });
});

describe("policies", () => {
  it("random reaches all", async () => {
    const counts = await tally(await serve(balanced({ policy: "random" })), 60);
    expect(Object.keys(counts).sort()).toEqual(["a", "b", "c"]);
  });

  it("first takes the first that is there", async () => {
    const host = await serve({
      targets: [{ service: "nobody", port: 80 }, ...pool("b", "a")],
      policies: { load_balancing: { policy: "first" } },
    });
    expect(await tally(host, 4)).toEqual({ b: 4 });
  });

  it("ip_hash keeps a client", async () => {
    expect(Object.values(await tally(await serve(balanced({ policy: "ip_hash" })), 6))).toEqual([6]);
  });

  it("header keeps a value, and goes round without it", async () => {
    const host = await serve(balanced({ policy: "header", header: "X-User" }));
    const backends = new Set<string>();
    for (let user = 0; user < 24; user += 1) {
      const headers = { "x-user": `user-${user}` };
      const backend = await backendOf(host, "/", { headers });
      expect(await backendOf(host, "/other", { headers })).toBe(backend);
      backends.add(backend);
    }
    expect(backends.size).toBe(3);
    expect(await tally(host, 3)).toEqual({ a: 1, b: 1, c: 1 });
  });

  it("uri_hash keeps a path and query", async () => {
    const host = await serve(balanced({ policy: "uri_hash" }));
    const backends = new Set<string>();
    for (let page = 0; page < 24; page += 1) {
      const backend = await backendOf(host, `/page?n=${page}`);
      expect(await backendOf(host, `/page?n=${page}`)).toBe(backend);
      backends.add(backend);
    }
    expect(backends.size).toBe(3);
  });

  it("cookie keeps a client, and says nothing of the inside", async () => {
    const host = await serve(balanced({ policy: "cookie", cookie: "stick" }));
    const first = await gatewright.visit<Seen>(host);
    const [set = ""] = first.headers["set-cookie"] as readonly string[];
    expect(set).toMatch(/^stick=[0-9a-f]{20}; Path=\/; HttpOnly; SameSite=Lax$/);
    const headers = { cookie: set.split(";")[0] ?? "" };
    for (let request = 0; request < 6; request += 1) {
      const again = await gatewright.visit<Seen>(host, "/", { headers });
      expect([again.body.backend, again.headers["set-cookie"]]).toEqual([first.body.backend, undefined]);
    }
    const other = await gatewright.visit<Seen>(host, "/", { headers: { cookie: "stick=unknown" } });
    expect(other.headers["set-cookie"]).toHaveLength(1);
  });

  it("cookie keeps a client at an instance that moves", async () => {
    await using moving = await startFleet(gatewright.url, ["mover"]);
    const targets = [
      { instance: "mover", port: moving.port },
      { instance: "a", port: fleet.port },
    ];
    const host = await serve({ ...balanced({ policy: "cookie" }), targets });
    const answers = [await gatewright.visit<Seen>(host), await gatewright.visit<Seen>(host)];
    const [set = ""] = (answers.find(({ body }) => body.backend === "mover")?.headers["set-cookie"] ??
      []) as string[];
    await using next = await startBackend("moved", "127.0.0.79", moving.port);
    await moving.kill("mover");
    await gatewright.put("mover", next.address);
    expect(await backendOf(host, "/", { headers: { cookie: set.split(";")[0] ?? "" } })).toBe("moved");
  });

  it("least_conn prefers the idle", async () => {
    const host = await serve({ ...balanced({ policy: "least_conn" }), targets: pool("a", "b") });
    const socket = new WebSocket(`ws://127.0.0.1:${gatewright.ports.http}/`, { headers: { host } });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const counts = await tally(host, 6);
    expect(Object.values(counts)).toEqual([6]);
    socket.terminate();
  });
});

describe("a pool is refused", () => {
  const codesOf = async (rule: object) => {
    const rules = [{ match: { hostname: "refused.example.com" }, ...rule }] as readonly IngressRuleInput[];
    const { body } = await createIngress({ url: gatewright.url, name: "refused", rules });
    const { code, details } = body as unknown as { code: string; details: { code: string; field: string }[] };
    return [code, ...details.map((one) => `${one.code} ${one.field}`)];
  };

  it("with an instance that does not exist, or may not be reached", async () => {
    await gatewright.put("self", "127.0.0.1");
    const targets = [...pool("a", "nobody"), { instance: "self", port: gatewright.ports.api }];
    expect(await codesOf({ targets })).toEqual([
      "instance_not_found",
      "instance_not_found rules[0].targets[1].instance",
      "target_not_allowed rules[0].targets[2]",
    ]);
  });

  it("with a wake-up that the source of instances cannot do", async () => {
    expect(await codesOf({ targets: [{ instance: "a", port: 80, wake: true }] })).toEqual([
      "bad_request",
      "invalid_target rules[0].targets[0].wake",
    ]);
  });

  it("with DNS servers that are our own", async () => {
    const resolvers = [`127.0.0.1:${gatewright.ports.dns}`, "169.254.169.254"];
    expect(await codesOf({ target: { address: "backend.example.com", port: 80, resolvers } })).toEqual([
      "target_not_allowed",
      "target_not_allowed rules[0].target.resolvers[0]",
      "target_not_allowed rules[0].target.resolvers[1]",
    ]);
  });
});

describe("an address target", () => {
  it("is dialled without being an instance, by IP and by name", async () => {
    const byIp = await serve({ target: { address: fleet.address("a"), port: fleet.port } });
    expect(await tally(byIp, 2)).toEqual({ a: 2 });
    const rule = { target: { address: "localhost", port: fleet.port } };
    const byName = await serve(rule);
    // Nobody listens on 127.0.0.1 itself: the name was resolved, and refused the connection.
    expect((await gatewright.visit(byName)).status).toBe(502);
  });

  it("never reaches our own listeners, whatever its name", async () => {
    const refused = await createIngress({
      url: gatewright.url,
      name: "own",
      rules: [
        {
          match: { hostname: "own.example.com" },
          target: { address: "127.0.0.1", port: gatewright.ports.admin },
        },
      ],
    });
    expect([refused.status, (refused.body as unknown as { code: string }).code]).toEqual([
      400,
      "target_not_allowed",
    ]);
    const host = await serve({ target: { address: "localhost", port: gatewright.ports.admin } });
    const answer = await gatewright.visit(host, "/config/");
    expect(answer.status).toBe(502);
    expect(answer.text).not.toContain("apps");
  });
});

describe("the answer of an ingress", () => {
  it("has targets in their canonical form, and hypeman's form unchanged", async () => {
    const { body: instance } = await call<{ id: string }>(`${gatewright.url}/instances/a`);
    const created = await createIngress({
      url: gatewright.url,
      name: "canonical",
      rules: [
        {
          match: { hostname: "canonical.example.com" },
          targets: [
            { instance: instance.id, port: 80, weight: 2, mode: "active", wake: false },
            { service: "WEB", port: 81 },
            { address: "Backend.Example.COM.", port: 82, resolvers: ["10.0.0.2", "[fd00::2]:5300"] },
          ],
        },
        { match: { hostname: "single.example.com" }, target: { instance: instance.id, port: 80 } },
      ],
    });
    expect(created.status, created.text).toBe(201);
    expect(created.body.rules.map(({ target, targets }) => target ?? targets)).toEqual([
      [
        { instance: "a", port: 80, weight: 2 },
        { service: "web", port: 81 },
        { address: "backend.example.com", port: 82, resolvers: ["10.0.0.2", "[fd00::2]:5300"] },
      ],
      { instance: "a", port: 80 },
    ]);
    expect((await call(`${gatewright.url}/ingresses/canonical`)).body).toEqual(created.body);
  });
});
