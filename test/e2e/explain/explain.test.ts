import { describe, expect, it } from "vitest";
import type { ExplainRequest, Explanation, Policies } from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { explain, withoutId } from "../../support/explain.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";
import { visitFrom } from "../../support/visit-from.ts";

const backend = use(() => startBackend("web"));
const unused = use(async () => ({ port: await freePort() }));
const gatewright = useGatewright({ TLS_ISSUER: "internal" }, ["web"]);
const ask = (request: ExplainRequest): Promise<Explanation> => explain(gatewright.url, request);

describe("what takes a request", () => {
  it("names the rule, what was passed over, and the address", async () => {
    await gatewright.make(
      "shop",
      rule("shop.test", "web", backend.port, { path: { type: "prefix", value: "/api" } }),
      rule("shop.test", "web", backend.port),
    );
    expect(await ask({ url: "http://shop.test/cart?id=1" })).toMatchObject({
      outcome: "instance",
      reason: "served",
      ingress: { name: "shop", rule: 1 },
      considered: [{ ingress: { rule: 0 }, lacks: "path" }],
      forwarded: { uri: "/cart?id=1" },
      targets: { addresses: [{ name: "web", state: "ready", chosen: true }] },
      differences: [],
      conditions: [],
    });
  });

  it("says what a rule changes of the request, and no value of a header", async () => {
    const secret = "kept-out-of-answers-0123456789abcdef";
    await gatewright.make("changed", {
      ...rule("changed.test", "web", backend.port, { path: { type: "prefix", value: "/api" } }),
      request_header_auth: { header: "X-Key", value: secret },
      policies: {
        headers: { request: { set: { "X-Token": secret }, remove: ["X-Gone"] } },
        rewrite: { strip_prefix: "/api" },
      },
    });
    const told = await ask({
      url: "http://changed.test/api/cart",
      headers: { "X-Key": secret, "X-Gone": secret },
    });
    expect(told).toMatchObject({ outcome: "instance", forwarded: { uri: "/cart", host: "changed.test" } });
    expect(told.forwarded?.headers_set).toContain("X-Token");
    expect(told.forwarded?.headers_removed).toEqual(["X-Gone", "X-Key"]);
    expect(JSON.stringify(told)).not.toContain(secret);
  });

  it("tells how TLS is ended, and the redirect to it", async () => {
    await gatewright.make("secure", {
      ...rule("secure.test", "web", backend.port, { port: 0 }),
      tls: true,
      redirect_http: true,
    });
    await until(async () => (await ask({ url: "https://secure.test/" })).outcome === "instance");
    expect((await ask({ url: "https://secure.test/" })).tls).toMatchObject({
      min_version: "1.2",
      certificate: { names: ["secure.test"] },
    });
    expect(await ask({ url: "http://secure.test/a?b" })).toMatchObject({
      outcome: "answer",
      reason: "redirected",
      answer: { status: 301, location: `https://secure.test:${gatewright.ports.https}/a?b` },
      ingress: { name: "secure", rule: 0, redirect: true },
    });
  });
});

describe("a policy that refuses", () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const cases: readonly (readonly [name: string, policies: Policies, status: number, verdict: object])[] = [
    ["access", { access: { allow: ["10.0.0.0/8"] } }, 403, { reason: "the client's address is not allowed" }],
    ["access", { access: { deny: ["127.0.0.0/8"] } }, 403, { network: "127.0.0.0/8" }],
    ["maintenance", { maintenance: { message: "Back soon." } }, 503, { reason: "maintenance" }],
    ["basic_auth", { basic_auth: { users: { ann: `$2a$04$${"a".repeat(53)}` } } }, 401, {}],
  ];
  it.each(cases.map((one, index) => [index, ...one] as const))(
    "%d: %s",
    async (index, policy, policies, status, verdict) => {
      const host = `refused-${index}.test`;
      await gatewright.make(`refused-${index}`, { ...rule(host, "web", backend.port), policies });
      const told = await ask({ url: `http://${host}/`, client_ip: "127.0.0.1" });
      expect(told).toMatchObject({ outcome: "answer", reason: policy, answer: { status } });
      expect(told.policies.at(-1)).toMatchObject({ policy, verdict: "refused", status, ...verdict });
      const real = await gatewright.visit(host);
      expect([real.status, withoutId(real.text)]).toEqual([status, withoutId(told.answer?.body ?? "")]);
    },
  );

  it("request_header_auth: without the header, and not with it", async () => {
    const closed = {
      ...rule("key.test", "web", backend.port),
      request_header_auth: { header: "X-Key", value: secret },
    };
    await gatewright.make("key", closed);
    expect(await ask({ url: "http://key.test/" })).toMatchObject({
      reason: "request_header_auth",
      answer: { status: 403 },
    });
    const told = await ask({ url: "http://key.test/", headers: { "X-Key": secret } });
    expect([told.outcome, told.policies]).toEqual([
      "instance",
      [{ policy: "request_header_auth", verdict: "passed" }],
    ]);
  });

  it("rate_limit: with the count, of which it takes nothing", async () => {
    const policies: Policies = { rate_limit: { requests_per_second: 0.01, burst: 2 } };
    await gatewright.make("limited", { ...rule("limited.test", "web", backend.port), policies });
    const used = async () =>
      (await ask({ url: "http://limited.test/", client_ip: "127.0.0.1" })).policies[0]?.limit?.used;
    expect([await used(), await used()]).toEqual([0, 0]);
    await gatewright.visit("limited.test");
    expect(await used()).toBe(1);
    await gatewright.visit("limited.test");
    expect(await ask({ url: "http://limited.test/", client_ip: "127.0.0.1" })).toMatchObject({
      reason: "rate_limit",
      answer: { status: 429 },
    });
    expect((await gatewright.visit("limited.test")).status).toBe(429);
    expect(await ask({ url: "http://limited.test/", client_ip: "127.0.0.2" })).toMatchObject({
      reason: "served",
    });
  });

  it("forward_auth is named and not asked", async () => {
    const policies: Policies = { forward_auth: { url: `http://web.hypeman.internal:${backend.port}/check` } };
    await gatewright.make("asked", { ...rule("asked.test", "web", backend.port), policies });
    const told = await ask({ url: "http://asked.test/" });
    expect(told).toMatchObject({
      outcome: "instance",
      policies: [
        { policy: "forward_auth", verdict: "not_asked", asks: `web.hypeman.internal:${backend.port}` },
      ],
    });
  });

  it("max_request_body by the length that is announced", async () => {
    await gatewright.make("small", {
      ...rule("small.test", "web", backend.port),
      policies: { max_request_body: "1KB" },
    });
    const told = await ask({
      url: "http://small.test/",
      method: "POST",
      headers: { "Content-Length": "5000" },
    });
    expect(told).toMatchObject({
      reason: "max_request_body",
      answer: { status: 413 },
      policies: [{ max_bytes: 1000 }],
    });
  });

  it("unclean paths", async () => {
    const policies: Policies = { unclean_paths: "reject" };
    await gatewright.make("clean", { ...rule("clean.test", "web", backend.port), policies });
    expect(await ask({ url: "http://clean.test/a/..%2fb" })).toMatchObject({
      reason: "unclean_paths",
      answer: { status: 400 },
    });
  });
});

describe("a client behind a trusted proxy", () => {
  it("is found as for requests", async () => {
    const policies: Policies = { access: { deny: ["203.0.113.0/24"] } };
    await gatewright.make("proxied", { ...rule("proxied.test", "web", backend.port), policies });
    const headers = { "X-Forwarded-For": "203.0.113.7" };
    // Nobody is trusted here, so that the header is the client's own invention.
    expect(await ask({ url: "http://proxied.test/", client_ip: "198.51.100.1", headers })).toMatchObject({
      reason: "served",
    });
    const real = await visitFrom(gatewright.ports.http, "proxied.test", "/", { headers });
    expect(real.status).toBe(200);
  });
});

describe("what no target takes", () => {
  const served = async (
    name: string,
    instance: string,
    port = backend.port,
    more: object = {},
  ): Promise<Explanation> => {
    await gatewright.make(name, { ...rule(`${name}.test`, instance, port), ...more });
    return ask({ url: `http://${name}.test/` });
  };

  it("an instance that is gone, with the nearest name", async () => {
    await gatewright.put("orders-1", "127.0.0.1");
    await served("gone", "orders-1");
    await gatewright.put("orders-2", "127.0.0.1");
    await call(`${gatewright.url}/instances/orders-1`, { method: "DELETE" });
    await until(async () => (await ask({ url: "http://gone.test/" })).reason !== "served");
    const told = await ask({ url: "http://gone.test/" });
    expect(told).toMatchObject({ outcome: "answer", reason: "no_address", answer: { status: 503 } });
    expect(told.message).toContain("nearest name to orders-1 is orders-2");
    expect(told.conditions).toMatchObject([{ type: "TargetsResolved", reason: "NoAddress" }]);
    expect((await gatewright.visit("gone.test")).status).toBe(503);
  });

  it("an instance that is stopped", async () => {
    await gatewright.put("stopped", "127.0.0.1");
    await served("halted", "stopped");
    await gatewright.put("stopped", null, { state: "Stopped" });
    await until(async () => (await ask({ url: "http://halted.test/" })).reason !== "served");
    const told = await ask({ url: "http://halted.test/" });
    expect(told).toMatchObject({ reason: "no_address", answer: { status: 503 } });
    expect(told.message).toMatch(/stopped/i);
  });

  it("an instance that is drained or paused", async () => {
    await gatewright.put("busy", "127.0.0.1");
    expect((await served("drained", "busy")).reason).toBe("served");
    const mode = (mode: string) =>
      call(`${gatewright.url}/instances/busy/traffic`, { method: "PUT", body: { mode } });
    await mode("drain");
    expect(await ask({ url: "http://drained.test/" })).toMatchObject({
      reason: "drained",
      answer: { status: 503 },
    });
    await mode("pause");
    const told = await ask({ url: "http://drained.test/" });
    expect([told.reason, told.targets?.wait_ms]).toEqual(["paused", 30_000]);
    await mode("active");
    expect((await ask({ url: "http://drained.test/" })).reason).toBe("served");
  });

  it("an address that refuses connections, when it is to be tried", async () => {
    const told = await served("refusing", "web", unused.port);
    expect([told.reason, told.targets?.addresses[0]?.connection]).toEqual(["served", undefined]);
    expect(await ask({ url: "http://refusing.test/", connect: true })).toMatchObject({
      reason: "refused",
      answer: { status: 502 },
      targets: { addresses: [{ connection: "refused" }] },
    });
    expect((await gatewright.visit("refusing.test")).status).toBe(502);
  });

  it("a target of which every address fails its checks", async () => {
    const policies: Policies = { health_check: { active: { path: "/", interval: "1s", timeout: "1s" } } };
    await served("ill", "web", unused.port, { policies });
    await until(async () => (await ask({ url: "http://ill.test/" })).reason === "unhealthy");
    expect(await ask({ url: "http://ill.test/" })).toMatchObject({
      answer: { status: 503 },
      conditions: [{ reason: "AllUnhealthy" }],
    });
  });
});

describe("what no rule takes", () => {
  it("an unknown host, with the nearest ones", async () => {
    await gatewright.make("near", rule("payments.example.com", "web", backend.port));
    const told = await ask({ url: "http://paymets.example.com/" });
    expect(told).toMatchObject({ outcome: "answer", reason: "host", answer: { status: 404 } });
    expect(told.nearest_hostnames?.[0]).toBe("payments.example.com");
    expect((await gatewright.visit("paymets.example.com")).text).toBe(told.answer?.body);
  });

  it("path, method, header and protocol", async () => {
    const match = { path: { type: "exact", value: "/a" }, methods: ["POST"], headers: { "X-Beta": "1" } };
    await gatewright.make("narrow", rule("narrow.test", "web", backend.port, match as object));
    const url = "http://narrow.test";
    const reasons = [
      (await ask({ url: `${url}/b` })).reason,
      (await ask({ url: `${url}/a` })).reason,
      (await ask({ url: `${url}/a`, method: "POST" })).reason,
      (await ask({ url: `${url}/a`, method: "POST", headers: { "X-Beta": "1" } })).reason,
    ];
    expect(reasons).toEqual(["path", "method", "headers", "served"]);
  });

  it("another port, and one that nothing listens on", async () => {
    const other = await freePort();
    await gatewright.make("elsewhere", rule("elsewhere.test", "web", backend.port, { port: other }));
    expect(await ask({ url: "http://elsewhere.test/" })).toMatchObject({
      reason: "host",
      differences: [{ code: "other_port", ingress: { name: "elsewhere" } }],
    });
    const nobody = await freePort();
    expect(await ask({ url: `http://elsewhere.test:${nobody}/` })).toMatchObject({
      outcome: "unserved",
      reason: "port",
    });
  });
});

describe("layer 4", () => {
  it("a name that is passed through, and one that nobody has", async () => {
    const port = await freePort();
    const made = rule("db.test", "web", backend.port, { protocol: "tls", port });
    await gatewright.make("db", made);
    expect(await ask({ url: `tls://db.test:${port}` })).toMatchObject({
      outcome: "instance",
      ingress: { name: "db", rule: 0 },
      targets: { addresses: [{ state: "ready", chosen: true }] },
    });
    expect(await ask({ url: `tls://other.test:${port}` })).toMatchObject({ reason: "host" });
  });

  it("a port of TCP, with its access", async () => {
    const port = await freePort();
    const match = { protocol: "tcp", port } as const;
    await gatewright.make("tcp", {
      match,
      target: { instance: "web", port: backend.port },
      policies: { access: { allow: ["10.0.0.0/8"] } },
    });
    const url = `tcp://127.0.0.1:${port}`;
    expect(await ask({ url, client_ip: "10.1.2.3" })).toMatchObject({
      outcome: "instance",
      policies: [{ policy: "access", verdict: "passed", network: "10.0.0.0/8" }],
    });
    expect(await ask({ url, client_ip: "192.0.2.9" })).toMatchObject({ outcome: "closed", reason: "access" });
  });
});

describe("a question that is wrong", () => {
  it("is answered with every problem, and repeats no value", async () => {
    const secret = "a-secret-value";
    const { status, body, text } = await call<{ details: { field: string }[] }>(`${gatewright.url}/explain`, {
      method: "POST",
      body: {
        url: "ftp://shop.test/",
        method: "G T",
        headers: { "a b": "1", ok: `${secret}\n` },
        client_ip: "here",
        sni: "a b",
        listen_address: "10.0.0",
      },
    });
    expect(status).toBe(400);
    expect(body.details.map(({ field }) => field)).toEqual([
      "url",
      "method",
      "headers",
      'headers["ok"]',
      "client_ip",
      "listen_address",
      "sni",
    ]);
    expect(text).not.toContain(secret);
  });
});
