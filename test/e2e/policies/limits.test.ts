import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Ingress } from "../../../src/model/api.ts";
import { call } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";
import type { VisitFrom } from "../../support/visit-from.ts";

const proxy = "127.0.0.2";

const site = usePolicySite({ TRUSTED_PROXIES: proxy });

async function statusOf(name: string, options: VisitFrom = {}, path = "/"): Promise<number> {
  return (await site.visit(name, path, options)).status;
}

describe("rate limit", () => {
  it("takes a burst for each client and rule, then answers 429 with Retry-After", async () => {
    await site.serve("limited", {
      rate_limit: { requests_per_second: 0.05, burst: 3, exempt: ["127.0.0.8"] },
    });
    await site.serve("limited-too", {
      rate_limit: { requests_per_second: 0.05, burst: 3, exempt: ["127.0.0.8"] },
    });
    for (const from of ["127.0.0.1", "127.0.0.9"]) {
      for (let count = 0; count < 3; count += 1) expect(await statusOf("limited", { from })).toBe(200);
      const refused = await site.visit("limited", "/", { from });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(1);
      expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(60);
    }
    expect(await statusOf("limited-too")).toBe(200);
    for (let count = 0; count < 6; count += 1)
      expect(await statusOf("limited", { from: "127.0.0.8" })).toBe(200);
  });

  it("counts on through reloads", async () => {
    await site.serve("reload", {}, { port: await freePort() });
    expect(await statusOf("limited")).toBe(429);
  });

  it("counts on while a rule's other policies change", async () => {
    const { body } = await call<Ingress>(`${site.gatewright.url}/ingresses/limited`);
    const { name, rules } = body;
    const policies = { ...rules[0]?.policies, timeouts: { connect: "1234ms" } };
    const changed = { name, rules: [{ ...rules[0], policies }] };
    const { status, text } = await call(`${site.gatewright.url}/ingresses/limited`, {
      method: "PUT",
      body: changed,
    });
    expect(status, text).toBe(200);
    expect(await statusOf("limited")).toBe(429);
  });

  it("lets requests through again at its rate", async () => {
    await site.serve("refill", { rate_limit: { requests_per_second: 0.5, burst: 1 } });
    expect(await statusOf("refill")).toBe(200);
    expect(await statusOf("refill")).toBe(429);
    await until(async () => (await statusOf("refill")) === 200);
  });

  it("counts by header, and by rule", async () => {
    await site.serve("by-key", {
      rate_limit: { requests_per_second: 0.05, burst: 1, key: "header:X-Api-Key" },
    });
    await site.serve("by-rule", { rate_limit: { requests_per_second: 0.05, burst: 1, key: "rule" } });
    expect(await statusOf("by-key", { headers: { "x-api-key": "one" } })).toBe(200);
    expect(await statusOf("by-key", { headers: { "x-api-key": "one" }, from: "127.0.0.9" })).toBe(429);
    expect(await statusOf("by-key", { headers: { "x-api-key": "two" } })).toBe(200);
    expect(await statusOf("by-rule")).toBe(200);
    expect(await statusOf("by-rule", { from: "127.0.0.9" })).toBe(429);
  });

  it("counts IPv6 clients by their /64", async () => {
    await site.serve("by-net", { rate_limit: { requests_per_second: 0.05, burst: 1 } });
    const by = (client: string): Promise<number> =>
      statusOf("by-net", { from: proxy, headers: { "x-forwarded-for": client } });
    expect(await by("2001:db8::1")).toBe(200);
    expect(await by("2001:db8::2:3")).toBe(429);
    expect(await by("2001:db8:0:1::1")).toBe(200);
  });
});

describe("what policies refuse", () => {
  it("is counted for each rule", async () => {
    await site.serve("counted", {
      access: { deny: ["127.0.0.9"] },
      rate_limit: { requests_per_second: 0.05, burst: 1 },
    });
    const denied = { from: "127.0.0.9" };
    for (let count = 0; count < 4; count += 1) expect(await statusOf("counted", denied)).toBe(403);
    expect(await statusOf("counted")).toBe(200);
    expect(await statusOf("counted")).toBe(429);
    const { text } = await call(`${site.gatewright.url}/metrics`);
    expect(text).toContain('gatewright_refused_requests_total{ingress="counted",policy="access"} 4');
    expect(text).toContain('gatewright_refused_requests_total{ingress="counted",policy="rate_limit"} 1');
  });

  it("is logged in samples, not one line each", async () => {
    await site.serve("flood", { rate_limit: { requests_per_second: 0.001, burst: 1 } });
    const started = Date.now();
    for (let count = 0; count < 300; count += 1) await statusOf("flood");
    const seconds = Math.ceil((Date.now() - started) / 1000) + 1;
    const log = await readFile(join(site.gatewright.dataDir, "caddy/caddy.log"), "utf8");
    const lines = log.split("\n").filter((line) => /429|rate limit/.test(line) && line.includes("flood"));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(seconds);
    expect(log).not.toContain("rate limit exceeded");
  });

  it("comes before authentication, the body and the instance", async () => {
    await site.serve("order", {
      access: { deny: ["127.0.0.9"] },
      rate_limit: { requests_per_second: 0.05, burst: 1, exempt: ["127.0.0.8"] },
      basic_auth: { users: { ann: "$2a$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy" } },
      max_request_body: "1KB",
    });
    const large = { method: "POST", body: "x".repeat(2_000) };
    const before = site.backend.requests();
    expect(await statusOf("order", { from: "127.0.0.9", ...large })).toBe(403);
    expect(await statusOf("order", large)).toBe(401);
    expect(await statusOf("order", large)).toBe(429);
    expect(site.backend.requests()).toBe(before);
  });
});
