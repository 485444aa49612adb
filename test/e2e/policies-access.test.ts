import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Policies } from "../../src/model/api.ts";
import { call, createIngress, putInstance, rule } from "../support/api.ts";
import { type Backend, type Seen, startBackend } from "../support/backend.ts";
import { type Gatewright, startGatewright } from "../support/gatewright.ts";
import { until } from "../support/until.ts";
import { exchange, type VisitFrom, visitFrom } from "../support/visit-from.ts";

const proxy = "127.0.0.2";
const balancer = "127.0.0.3";

let gatewright: Gatewright;
let backend: Backend;
let site: number;

beforeAll(async () => {
  backend = await startBackend("web");
  gatewright = await startGatewright({
    TRUSTED_PROXIES: `${proxy},10.0.0.0/8`,
    PROXY_PROTOCOL_FROM: balancer,
  });
  site = gatewright.ports.http;
  await putInstance(gatewright.url, "web", backend.address);
}, 120_000);

afterAll(async () => {
  await gatewright?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

/** Creates an ingress of one rule for `<name>.test` with these policies. */
async function serve(name: string, policies: Policies, match: object = {}, more: object = {}): Promise<void> {
  const made = rule(`${name}.test`, "web", backend.port, match, { policies, ...more });
  const answer = await createIngress({ url: gatewright.url, name, rules: [made] });
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
}

function visit(name: string, options: VisitFrom = {}, path = "/"): ReturnType<typeof visitFrom<Seen>> {
  return visitFrom<Seen>(site, `${name}.test`, path, options);
}

async function statusOf(name: string, options: VisitFrom = {}, path = "/"): Promise<number> {
  return (await visit(name, options, path)).status;
}

interface Refusals {
  readonly rules: { readonly [rule: string]: { readonly [status: string]: number } };
}

async function refusals(): Promise<Refusals> {
  const admin = `127.0.0.1:${gatewright.ports.admin}`;
  const headers = { origin: `http://${admin}` };
  const answer = await visitFrom<Refusals>(gatewright.ports.admin, admin, "/gatewright/refusals", {
    headers,
  });
  return answer.body;
}

describe("access", () => {
  it("asks deny first, then allow", async () => {
    await serve("access", { access: { allow: ["127.0.0.0/24", "2001:db8::/32"], deny: ["127.0.0.9"] } });
    expect(await statusOf("access")).toBe(200);
    expect(await statusOf("access", { from: "127.0.0.9" })).toBe(403);
    expect(await statusOf("access", { from: "127.0.1.1" })).toBe(403);
  });

  it("takes everybody but deny without allow", async () => {
    await serve("deny", { access: { deny: ["127.0.0.9/32"] } });
    expect(await statusOf("deny")).toBe(200);
    expect(await statusOf("deny", { from: "127.0.0.9" })).toBe(403);
  });

  it("judges the true client behind a trusted proxy, IPv4, IPv6 and IPv4 in IPv6", async () => {
    await serve("true", { access: { deny: ["192.0.2.0/24", "2001:db8::/32"] } });
    const by = (client: string): Promise<number> =>
      statusOf("true", { from: proxy, headers: { "x-forwarded-for": client } });
    expect(await by("198.51.100.1")).toBe(200);
    expect(await by("192.0.2.1")).toBe(403);
    expect(await by("::ffff:192.0.2.1")).toBe(403);
    expect(await by("2001:db8::5")).toBe(403);
    expect(await by("2001:db9::5")).toBe(200);
    // What the client itself wrote stands before what the proxies have added.
    expect(await by("198.51.100.1, 192.0.2.1")).toBe(403);
    expect(await by("192.0.2.1, 198.51.100.1, 10.0.0.9")).toBe(200);
  });

  it("believes no X-Forwarded-For from elsewhere", async () => {
    await serve("spoofed", { access: { allow: ["192.0.2.1"] } });
    const headers = { "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.1", "x-real-ip": "192.0.2.1" };
    expect(await statusOf("spoofed", { headers })).toBe(403);
    expect(await statusOf("spoofed", { from: proxy, headers })).toBe(200);
  });

  it("takes the address of the PROXY protocol from the balancer alone", async () => {
    await serve("proxied", { access: { allow: ["192.0.2.1"] } });
    const request = "GET / HTTP/1.1\r\nHost: proxied.test\r\nConnection: close\r\n\r\n";
    const header = "PROXY TCP4 192.0.2.1 203.0.113.1 5000 443\r\n";
    expect(await exchange(site, header + request, balancer)).toMatch(/^HTTP\/1.1 200 /);
    expect(await exchange(site, header.replace("192.0.2.1", "192.0.2.2") + request, balancer)).toMatch(
      /^HTTP\/1.1 403 /,
    );
    expect(await exchange(site, header + request, "127.0.0.9")).toMatch(/^HTTP\/1.1 400 /);
    expect(await exchange(site, request, balancer)).toMatch(/^HTTP\/1.1 403 /);
  });

  it("cannot be got around by another spelling of the path", async () => {
    const rules = [
      rule("paths.test", "web", backend.port, {}),
      rule(
        "paths.test",
        "web",
        backend.port,
        { path: { type: "prefix", value: "/admin" } },
        { policies: { access: { allow: ["192.0.2.1"] } } },
      ),
    ];
    await createIngress({ url: gatewright.url, name: "paths", rules });
    for (const path of [
      "/admin",
      "/admin/",
      "/admin/x",
      "/%61dmin",
      "/a/../admin",
      "//admin",
      "/./admin",
      "/a/%2e%2e/admin",
      "/%2fadmin",
      "/a%2f..%2fadmin",
    ])
      expect([path, await statusOf("paths", {}, path)]).toEqual([path, 403]);
    for (const path of ["/", "/administrator", "/Admin", "/x/admin", "/admin/../x"])
      expect([path, await statusOf("paths", {}, path)]).toEqual([path, 200]);
  });

  it("holds for WebSockets before they are opened", async () => {
    const upgrade =
      "GET / HTTP/1.1\r\nHost: deny.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const before = backend.requests();
    expect(
      await exchange(site, upgrade.replace("Connection: Upgrade", "Connection: Upgrade, close"), "127.0.0.9"),
    ).toMatch(/^HTTP\/1.1 403 /);
    expect(backend.requests()).toBe(before);
  });
});

describe("rate limit", () => {
  it("takes a burst for each client and rule, then answers 429 with Retry-After", async () => {
    await serve("limited", { rate_limit: { requests_per_second: 0.05, burst: 3, exempt: ["127.0.0.8"] } });
    await serve("limited-too", {
      rate_limit: { requests_per_second: 0.05, burst: 3, exempt: ["127.0.0.8"] },
    });
    for (const from of ["127.0.0.1", "127.0.0.9"]) {
      for (let count = 0; count < 3; count += 1) expect(await statusOf("limited", { from })).toBe(200);
      const refused = await visit("limited", { from });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(1);
      expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(60);
    }
    expect(await statusOf("limited-too")).toBe(200);
    for (let count = 0; count < 6; count += 1)
      expect(await statusOf("limited", { from: "127.0.0.8" })).toBe(200);
  });

  it("counts on through reloads", async () => {
    // A new policy set makes Caddy load another configuration.
    await serve("reload", { timeouts: { connect: "1234ms" } });
    expect(await statusOf("limited")).toBe(429);
  });

  it("lets requests through again at its rate", async () => {
    await serve("refill", { rate_limit: { requests_per_second: 5, burst: 1 } });
    expect(await statusOf("refill")).toBe(200);
    expect(await statusOf("refill")).toBe(429);
    await until(async () => (await statusOf("refill")) === 200, 2_000);
  });

  it("counts by header, and by rule", async () => {
    await serve("by-key", { rate_limit: { requests_per_second: 0.05, burst: 1, key: "header:X-Api-Key" } });
    await serve("by-rule", { rate_limit: { requests_per_second: 0.05, burst: 1, key: "rule" } });
    expect(await statusOf("by-key", { headers: { "x-api-key": "one" } })).toBe(200);
    expect(await statusOf("by-key", { headers: { "x-api-key": "one" }, from: "127.0.0.9" })).toBe(429);
    expect(await statusOf("by-key", { headers: { "x-api-key": "two" } })).toBe(200);
    expect(await statusOf("by-rule")).toBe(200);
    expect(await statusOf("by-rule", { from: "127.0.0.9" })).toBe(429);
  });

  it("counts IPv6 clients by their /64", async () => {
    await serve("by-net", { rate_limit: { requests_per_second: 0.05, burst: 1 } });
    const by = (client: string): Promise<number> =>
      statusOf("by-net", { from: proxy, headers: { "x-forwarded-for": client } });
    expect(await by("2001:db8::1")).toBe(200);
    expect(await by("2001:db8::2:3")).toBe(429);
    expect(await by("2001:db8:0:1::1")).toBe(200);
  });
});

describe("what policies refuse", () => {
  it("is counted for each rule", async () => {
    await serve("counted", {
      access: { deny: ["127.0.0.9"] },
      rate_limit: { requests_per_second: 0.05, burst: 1 },
    });
    const denied = { from: "127.0.0.9" };
    for (let count = 0; count < 4; count += 1) expect(await statusOf("counted", denied)).toBe(403);
    expect(await statusOf("counted")).toBe(200);
    expect(await statusOf("counted")).toBe(429);
    const counts = Object.values((await refusals()).rules);
    expect(counts).toContainEqual({ 403: 4, 429: 1 });
    const metrics = await call(`${gatewright.url}/metrics`);
    expect(metrics.text).toContain(
      'gatewright_refused_requests_total{ingress="counted",rule="0",status="403"} 4',
    );
  });

  it("is logged in samples, not one line each", async () => {
    await serve("flood", { rate_limit: { requests_per_second: 0.001, burst: 1 } });
    const started = Date.now();
    for (let count = 0; count < 300; count += 1) await statusOf("flood");
    const seconds = Math.ceil((Date.now() - started) / 1000) + 1;
    const log = await readFile(join(gatewright.dataDir, "caddy/caddy.log"), "utf8");
    const lines = log.split("\n").filter((line) => /429|rate limit/.test(line) && line.includes("flood"));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(seconds);
    expect(log).not.toContain("rate limit exceeded");
  });

  it("comes before authentication, the body and the instance", async () => {
    await serve("order", {
      access: { deny: ["127.0.0.9"] },
      rate_limit: { requests_per_second: 0.05, burst: 1, exempt: ["127.0.0.8"] },
      basic_auth: { users: { ann: "$2a$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy" } },
      max_request_body: "1KB",
    });
    const large = { method: "POST", body: "x".repeat(2_000) };
    const before = backend.requests();
    expect(await statusOf("order", { from: "127.0.0.9", ...large })).toBe(403);
    expect(await statusOf("order", large)).toBe(401);
    expect(await statusOf("order", large)).toBe(429);
    expect(backend.requests()).toBe(before);
  });
});

describe("headers about the client", () => {
  it("are of the connection where nobody is trusted", async () => {
    await serve("client", {});
    const headers = {
      "x-forwarded-for": "192.0.2.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "evil.test",
      "x-forwarded-prefix": "/evil",
      "x-real-ip": "192.0.2.1",
      "x-request-id": "mine",
      forwarded: "for=192.0.2.1",
    };
    const { headers: seen } = (await visit("client", { from: "127.0.0.9", headers })).body;
    expect(seen).toMatchObject({
      "x-forwarded-for": "127.0.0.9",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "client.test",
      "x-real-ip": "127.0.0.9",
      forwarded: 'for=127.0.0.9;host="client.test";proto=http',
    });
    expect(seen["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen["x-forwarded-prefix"]).toBeUndefined();
  });

  it("go on through one and two trusted proxies", async () => {
    const headers = {
      "x-forwarded-for": "192.0.2.1, 10.0.0.9",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "www.example.com",
      "x-request-id": "from-the-edge",
      forwarded: "for=192.0.2.1;proto=https, for=10.0.0.9",
    };
    const { headers: seen } = (await visit("client", { from: proxy, headers })).body;
    expect(seen).toMatchObject({
      "x-forwarded-for": "192.0.2.1, 10.0.0.9, 127.0.0.2",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "www.example.com",
      "x-real-ip": "192.0.2.1",
      "x-request-id": "from-the-edge",
      forwarded: 'for=192.0.2.1;proto=https, for=10.0.0.9, for=127.0.0.2;host="client.test";proto=http',
    });
  });

  it("are right behind two Gatewrights, of which the inner one trusts the outer", async () => {
    await using outer = await startGatewright();
    await putInstance(outer.url, "inner", "127.0.0.1");
    await serve("chain", {});
    await createIngress({
      url: outer.url,
      name: "distrusted",
      rules: [rule("chain.test", "inner", gatewright.ports.http)],
    });
    const spoofed = { "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.1", "x-request-id": "mine" };
    const options = { from: "127.0.0.9", headers: spoofed };
    const { body } = await visitFrom<Seen>(outer.ports.http, "chain.test", "/", options);
    expect(body.headers).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1" });
    await using trusting = await startGatewright({ TRUSTED_PROXIES: "127.0.0.1" });
    await putInstance(trusting.url, "web", backend.address);
    await createIngress({
      url: trusting.url,
      name: "chain",
      rules: [rule("chain.test", "web", backend.port)],
    });
    await createIngress({
      url: outer.url,
      name: "trusted",
      rules: [rule("chain.test", "inner", trusting.ports.http, { path: { type: "prefix", value: "/two" } })],
    });
    const through = await visitFrom<Seen>(outer.ports.http, "chain.test", "/two", options);
    expect(through.body.headers).toMatchObject({
      "x-forwarded-for": "127.0.0.9, 127.0.0.1",
      "x-forwarded-host": "chain.test",
      "x-forwarded-proto": "http",
      "x-real-ip": "127.0.0.9",
      forwarded: 'for=127.0.0.9;host="chain.test";proto=http, for=127.0.0.1;host="chain.test";proto=http',
    });
    expect(through.body.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("cannot be taken out by the client's Connection header", async () => {
    const headers = { connection: "close, X-Real-IP, X-Request-ID, Forwarded, X-Forwarded-For" };
    const { headers: seen } = (await visit("client", { headers })).body;
    expect(seen).toMatchObject({ "x-real-ip": "127.0.0.1", "x-forwarded-for": "127.0.0.1" });
    expect(seen["x-request-id"]).toBeDefined();
    expect(seen["forwarded"]).toBeDefined();
  });
});
