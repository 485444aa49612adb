import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ExplainReason, ExplainRequest, IngressRuleInput, Policies } from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { explain } from "../../support/explain.ts";
import { freePort } from "../../support/free-port.ts";
import { startGatewright } from "../../support/gatewright.ts";
import { moved, readSeries } from "../../support/moved-metrics.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { asSite, useGatewright } from "../../support/use-gatewright.ts";
import { visitFrom } from "../../support/visit-from.ts";

const backend = use(() => startBackend("web"));
/** Takes connections and answers nothing. */
const silent = use(async () => {
  const server = createServer((socket) => void socket.on("error", () => socket.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.dispose]: () => void server.close(),
  };
});
const unused = use(async () => ({ port: await freePort() }));
const gatewright = useGatewright({ ACCESS_LOG: "errors" }, ["web", "halted", "leaving"]);

/** One kind of failure: how it is brought about, and what everybody shall call it. */
interface Failing {
  /** The ingress's name, and its host's first label. */
  readonly name: string;
  readonly rule: (host: string) => IngressRuleInput;
  readonly reason: ExplainReason;
  readonly status: number;
  /** After the ingress is there. */
  readonly provoke?: () => Promise<unknown>;
  readonly request?: Partial<ExplainRequest> & { readonly host?: string; readonly path?: string };
  /** The condition that says the same, where one does: what belongs to the request alone is in none. */
  readonly condition?: string;
  readonly metric: string;
  /** What only a request finds out is in `last_failure`. */
  readonly unforeseen?: true;
}

const web =
  (policies: Policies, match: object = {}) =>
  (host: string) => ({
    ...rule(host, "web", backend.port, match),
    policies,
  });
const at =
  (port: () => number, policies: Policies = {}) =>
  (host: string) => ({ ...rule(host, "web", port()), policies });
const instance = (name: string) => (host: string) => rule(host, name, backend.port);

const failing: readonly Failing[] = [
  {
    name: "other-host",
    rule: web({}),
    request: { host: "othr-host.test" },
    reason: "host",
    status: 404,
    metric: 'unrouted_requests_total{reason="host"}',
  },
  {
    name: "other-path",
    rule: web({}, { path: { type: "prefix", value: "/api" } }),
    request: { path: "/apis" },
    reason: "path",
    status: 404,
    metric: 'unrouted_requests_total{reason="path"}',
  },
  {
    name: "other-method",
    rule: web({}, { methods: ["GET"] }),
    request: { method: "POST" },
    reason: "method",
    status: 404,
    metric: 'unrouted_requests_total{reason="method"}',
  },
  {
    name: "other-headers",
    rule: web({}, { headers: { "X-Beta": "1" } }),
    reason: "headers",
    status: 404,
    metric: 'unrouted_requests_total{reason="headers"}',
  },
  {
    name: "denied",
    rule: web({ access: { deny: ["127.0.0.0/8"] } }),
    reason: "access",
    status: 403,
    metric: 'refused_requests_total{ingress="denied",policy="access"}',
  },
  {
    name: "limited",
    rule: web({ rate_limit: { requests_per_second: 0.001, burst: 1 } }),
    provoke: () => gatewright.visit("limited.test"),
    reason: "rate_limit",
    status: 429,
    metric: 'refused_requests_total{ingress="limited",policy="rate_limit"}',
  },
  {
    name: "private",
    rule: web({ basic_auth: { users: { ann: `$2a$04$${"a".repeat(53)}` } } }),
    reason: "basic_auth",
    status: 401,
    metric: 'refused_requests_total{ingress="private",policy="basic_auth"}',
  },
  {
    name: "closed",
    rule: web({ maintenance: {} }),
    reason: "maintenance",
    status: 503,
    metric: 'refused_requests_total{ingress="closed",policy="maintenance"}',
  },
  {
    name: "no-instance",
    rule: instance("leaving"),
    provoke: () => call(`${gatewright.url}/instances/leaving`, { method: "DELETE" }),
    reason: "no_address",
    status: 503,
    condition: "NoAddress",
    metric: 'upstream_errors_total{ingress="no-instance",cause="no_address"}',
  },
  {
    name: "stopped",
    rule: instance("halted"),
    provoke: () => gatewright.put("halted", null, { state: "Stopped" }),
    reason: "no_address",
    status: 503,
    condition: "NoAddress",
    metric: 'upstream_errors_total{ingress="stopped",cause="no_address"}',
  },
  {
    name: "refusing",
    rule: at(() => unused.port),
    request: { connect: true },
    reason: "refused",
    status: 502,
    metric: 'upstream_errors_total{ingress="refusing",cause="refused"}',
  },
  {
    name: "hanging",
    rule: at(() => silent.port, { timeouts: { response_header: "500ms" } }),
    reason: "timeout",
    status: 504,
    metric: 'upstream_errors_total{ingress="hanging",cause="timeout"}',
    unforeseen: true,
  },
  {
    name: "ill",
    rule: at(() => unused.port, { health_check: { active: { path: "/", interval: "1s", timeout: "1s" } } }),
    reason: "unhealthy",
    status: 503,
    condition: "AllUnhealthy",
    metric: 'upstream_errors_total{ingress="ill",cause="unhealthy"}',
  },
  {
    name: "drained",
    rule: (host) => ({
      match: { hostname: host },
      targets: [{ instance: "web", port: backend.port, mode: "drain" }],
    }),
    reason: "drained",
    status: 503,
    condition: "Drained",
    metric: 'upstream_errors_total{ingress="drained",cause="drained"}',
  },
];

/** The metrics of requests to ingresses; those of the API's own calls begin with `http_`. */
const ofRequests = /^gatewright_(?:requests|unrouted|refused|upstream_errors)/;
const series = async () => readSeries((await call(`${gatewright.url}/metrics`)).text);

/** The one line about a host: what is explained has none. */
async function accessLine(host: string): Promise<{ readonly [field: string]: unknown }> {
  let lines: readonly string[] = [];
  await until(async () => {
    const text = await readFile(join(gatewright.dataDir, "caddy/access.log"), "utf8").catch(() => "");
    lines = text.split("\n").filter((line) => line.includes(`"${host}"`));
    return lines.length > 0;
  });
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? "") as { readonly [field: string]: unknown };
}

describe("explain, the status, a metric and a line of the log name the same cause", () => {
  it.each(failing)("$name: $reason", async (one) => {
    const { name, reason, status, request = {}, unforeseen } = one;
    const { path = "/", host = `${name}.test`, ...more } = request;
    await gatewright.make(name, one.rule(`${name}.test`));
    await one.provoke?.();
    const ask = () =>
      explain(gatewright.url, { url: `http://${host}${path}`, client_ip: "127.0.0.1", ...more });
    if (unforeseen === undefined) await until(async () => (await ask()).reason === reason);
    const before = await series();
    const told = await ask();
    // What is explained moves no metric.
    expect(moved(before, await series(), ofRequests)).toEqual({});

    const method = more.method ?? "GET";
    const real = await visitFrom(gatewright.ports.http, host, path, { method });
    expect(real.status).toBe(status);
    if (unforeseen === undefined) expect([told.reason, told.answer?.status]).toEqual([reason, status]);
    else expect((await ask()).last_failure).toMatchObject({ cause: reason, status });

    const line = await accessLine(host);
    expect(line["status"]).toBe(status);
    expect([line["miss"], line["policy"], line["cause"]]).toContain(reason);

    await until(async () => Object.keys(moved(before, await series(), ofRequests)).includes(one.metric));

    const conditions = (await gatewright.statusOf(name)).conditions.filter(
      (condition) => condition.status !== "True",
    );
    expect(conditions.map((condition) => condition.reason)).toEqual(
      one.condition === undefined ? [] : [one.condition],
    );
    expect(told.conditions.map((condition) => condition.reason)).toEqual(
      told.ingress === undefined ? [] : conditions.map((condition) => condition.reason),
    );
  });
});

describe("what keeps a client from sending a request", () => {
  it("a certificate that is not issued", async () => {
    // Nobody is at the authority's address.
    await using site = asSite(
      await startGatewright({
        ACME_EMAIL: "ops@example.com",
        ACME_CA: "https://127.0.0.1:1/directory",
        TLS_ALLOWED_DOMAINS: "*",
      }),
    );
    await site.put("web", "127.0.0.1");
    await site.make("unsigned", { ...rule("unsigned.test", "web", backend.port, { port: 0 }), tls: true });
    await until(async () => {
      const { conditions } = await site.statusOf("unsigned");
      return conditions.some(
        ({ type, message }) => type === "CertificateReady" && message.includes("authority"),
      );
    });
    const told = await explain(site.url, { url: "https://unsigned.test/" });
    expect(told).toMatchObject({
      outcome: "closed",
      reason: "no_certificate",
      ingress: { name: "unsigned" },
    });
    expect(told.conditions).toMatchObject([{ type: "CertificateReady", status: "False" }]);
    // The authority's reason is in the sentence.
    expect(told.message).toContain(told.conditions[0]?.message);
    expect(site.output()).toMatch(/unsigned\.test/);
    const failed = (await call(`${site.url}/metrics`)).text.match(
      /^gatewright_certificate_orders_failed_total.*$/gm,
    );
    expect(failed?.some((text) => text.includes("authority_unreachable") && !text.endsWith(" 0"))).toBe(true);
  });

  it("a port that another process has", async () => {
    const port = await freePort();
    await using started = await startGatewright({ CADDY_STOP_ON_SHUTDOWN: "true" });
    const site = asSite(started);
    await site.put("web", "127.0.0.1");
    // Ready is who serves a port at least.
    await site.make("kept", rule("kept.test", "web", backend.port));
    await site.make("robbed", rule("robbed.test", "web", backend.port, { port }));
    await started.stop();
    const thief = createServer();
    thief.listen(port, "127.0.0.1");
    await once(thief, "listening");
    await started.start();
    const told = await explain(site.url, { url: `http://robbed.test:${port}/` });
    expect(told).toMatchObject({
      outcome: "unserved",
      reason: "port",
      differences: [{ code: "port_not_served" }],
      conditions: [{ type: "Programmed", reason: "PortUnavailable" }],
    });
    expect(told.message).toContain("already bound by another process");
    expect(site.output()).toContain("a port cannot be served");
    expect((await call(`${site.url}/metrics`)).text).toMatch(/^gatewright_unserved_ports 1$/m);
    thief.close();
  });
});
