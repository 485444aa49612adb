import { createServer, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { runTool } from "../../support/foreign-tools.ts";
import { freePort } from "../../support/free-port.ts";
import { moved, readSeries, type Series } from "../../support/moved-metrics.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { type Site, useGatewright } from "../../support/use-gatewright.ts";
import { usePolicySite } from "../../support/use-policy-site.ts";

const seriesOf = async ({ url }: Pick<Site, "url">): Promise<Series> =>
  readSeries((await call(`${url}/metrics`)).text);

/** What counts that something went wrong. */
const failures =
  /^gatewright_(?:upstream_errors|unrouted_requests|refused_requests|tls_handshake_failures|certificate_orders_failed|caddy_ends|layer4_failures|layer4_unrouted_connections)_total/;

/** A bcrypt hash, of whatever. */
const password = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/** A cause, how it comes about, and what alone counts it among what counts failures. */
interface Cause {
  readonly of: string;
  provoke(): Promise<unknown>;
  readonly status?: number | "ECONNRESET";
  readonly counted: { readonly [series: string]: number };
}

/** A server of one manner, at the address of the instance. */
function manner(answer: (socket: Socket) => void): ReturnType<typeof createServer> {
  return createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => answer(socket));
  });
}

describe("each metric moves when its cause is provoked", () => {
  const site = usePolicySite({ TLS_ISSUER: "internal" });
  const { gatewright } = site;
  const ports = use(async () => ({
    closed: await freePort(),
    hanging: await site.listen(manner(() => {})),
    resetting: await site.listen(manner((socket) => socket.resetAndDestroy())),
    broken: await site.listen(manner((socket) => socket.end("what?\r\n\r\n"))),
    failing: await site.listen(
      manner((socket) => socket.end("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")),
    ),
  }));
  const visit = async (name: string, path = "/", method = "GET") =>
    (await site.visit(name, path, { method })).status;
  const serve = async (name: string, port: number, more: Partial<IngressRuleInput> = {}): Promise<number> => {
    await site.servePort(name, port, more);
    return visit(name);
  };
  const requests = (ingress: string, status: number): string =>
    `requests_total{ingress="${ingress}",method_class="safe",status="${status}",protocol="1.1"}`;
  const refused = (ingress: string, policy: string): string =>
    `refused_requests_total{ingress="${ingress}",policy="${policy}"}`;
  const broken = (ingress: string, cause: string): string =>
    `upstream_errors_total{ingress="${ingress}",cause="${cause}"}`;
  const once = { load_balancing: { retries: 0 } } as const;

  const causes: readonly Cause[] = [
    {
      of: "an instance that answers",
      provoke: () => site.serve("fine", {}).then(() => visit("fine")),
      status: 200,
      counted: { [requests("fine", 200)]: 1 },
    },
    {
      of: "an instance that refuses connections",
      provoke: () => serve("refuses", ports.closed, { policies: once }),
      status: 502,
      counted: { [requests("refuses", 502)]: 1, [broken("refuses", "refused")]: 1 },
    },
    {
      of: "an instance that hangs",
      provoke: () =>
        serve("hangs", ports.hanging, { policies: { ...once, timeouts: { response_header: "200ms" } } }),
      status: 504,
      counted: { [requests("hangs", 504)]: 1, [broken("hangs", "timeout")]: 1 },
    },
    {
      of: "an instance that resets connections",
      provoke: () => serve("resets", ports.resetting, { policies: once }),
      status: 502,
      counted: { [requests("resets", 502)]: 1, [broken("resets", "reset")]: 1 },
    },
    {
      of: "an instance that does not speak HTTP",
      provoke: () => serve("broken", ports.broken, { policies: once }),
      status: 502,
      counted: { [requests("broken", 502)]: 1, [broken("broken", "broken_answer")]: 1 },
    },
    {
      of: "an instance that answers 500",
      provoke: () => serve("fails", ports.failing),
      status: 500,
      counted: { [requests("fails", 500)]: 1 },
    },
    {
      of: "an instance without an address",
      provoke: async () => {
        await gatewright.put("nowhere", null);
        await gatewright.make("lost", rule("lost.test", "nowhere", 80));
        return visit("lost");
      },
      status: 503,
      counted: { [requests("lost", 503)]: 1, [broken("lost", "no_address")]: 1 },
    },
    {
      of: "a host that nobody has",
      provoke: () => visit("nobody"),
      status: 404,
      counted: { 'unrouted_requests_total{reason="host"}': 1 },
    },
    {
      of: "a path that the host does not have",
      provoke: async () => {
        await site.serve("paths", {}, { path: { type: "prefix", value: "/api" } });
        return visit("paths", "/other");
      },
      status: 404,
      counted: { 'unrouted_requests_total{reason="path"}': 1 },
    },
    {
      of: "a method that the rule does not take",
      provoke: async () => {
        await site.serve("methods", {}, { methods: ["GET"] });
        return visit("methods", "/", "DELETE");
      },
      status: 404,
      counted: { 'unrouted_requests_total{reason="method"}': 1 },
    },
    {
      of: "a client that is denied",
      provoke: () => site.serve("denied", { access: { deny: ["127.0.0.0/8"] } }).then(() => visit("denied")),
      status: 403,
      counted: { [requests("denied", 403)]: 1, [refused("denied", "access")]: 1 },
    },
    {
      of: "a client that asks too often",
      provoke: async () => {
        await site.serve("limited", { rate_limit: { requests_per_second: 0.01, burst: 1 } });
        await visit("limited");
        return visit("limited");
      },
      status: 429,
      counted: {
        [requests("limited", 200)]: 1,
        [requests("limited", 429)]: 1,
        [refused("limited", "rate_limit")]: 1,
      },
    },
    {
      of: "a client without the password",
      provoke: () =>
        site
          .serve("guarded", {
            basic_auth: {
              users: { ann: password },
            },
          })
          .then(() => visit("guarded")),
      status: 401,
      counted: { [requests("guarded", 401)]: 1, [refused("guarded", "basic_auth")]: 1 },
    },
    {
      of: "maintenance",
      provoke: () => site.serve("away", { maintenance: {} }).then(() => visit("away")),
      status: 503,
      counted: { [requests("away", 503)]: 1, [refused("away", "maintenance")]: 1 },
    },
  ];

  it.each(causes)("$of", async ({ provoke, status, counted }) => {
    const before = await seriesOf(gatewright);
    expect(await provoke()).toBe(status);
    const names = new RegExp(`${failures.source}|^gatewright_requests_total`);
    const movedNow = async () => moved(before, await seriesOf(gatewright), names);
    await until(async () => Object.keys(await movedNow()).length >= Object.keys(counted).length);
    expect(await movedNow()).toEqual(counted);
  });

  describe("over TLS", () => {
    /** curl's verdict; Node's client looks at a certificate after the handshake only. */
    const handshake = async (host: string, ...flags: readonly string[]): Promise<number> => {
      const { https } = gatewright.ports;
      const to = ["--resolve", `${host}:${https}:127.0.0.1`, `https://${host}:${https}/`];
      return (await runTool("curl", ["-s", "-o", "/dev/null", ...flags, ...to])).code;
    };

    it.each([
      {
        of: "a name without a certificate",
        provoke: () => handshake("nobody.test", "-k"),
        counted: { 'tls_handshake_failures_total{cause="no_certificate"}': 1 },
      },
      {
        of: "a client that does not trust the certificate",
        provoke: () => handshake("secure.test"),
        counted: { 'tls_handshake_failures_total{cause="certificate_refused"}': 1 },
      },
    ])("$of", async ({ provoke, counted }) => {
      await gatewright.create("secure", rule("secure.test", "web", site.backend.port, {}, { tls: true }));
      await until(async () => (await handshake("secure.test", "-k")) === 0);
      const before = await seriesOf(gatewright);
      expect(await provoke()).not.toBe(0);
      const movedNow = async () => moved(before, await seriesOf(gatewright), failures);
      await until(async () => Object.keys(await movedNow()).length > 0);
      expect(await movedNow()).toEqual(counted);
    });
  });

  it("Caddy killed", async () => {
    const before = await seriesOf(gatewright);
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    const names = /^gatewright_caddy_(?:ends|starts)_total/;
    const movedNow = async () => moved(before, await seriesOf(gatewright), names);
    await until(async () => Object.keys(await movedNow()).length === 2);
    expect(await movedNow()).toEqual({ caddy_ends_total: 1, caddy_starts_total: 1 });
    await until(async () => (await seriesOf(gatewright)).get("gatewright_caddy_up") === 1);
  });
});

describe("an authority that is down", () => {
  const gatewright = useGatewright(
    async () => ({
      ACME_EMAIL: "ops@example.com",
      ACME_CA: `https://127.0.0.1:${await freePort()}/directory`,
      TLS_ALLOWED_DOMAINS: "*.example.test",
    }),
    ["web"],
  );

  it("moves the failed orders, and the certificate's own", async () => {
    await gatewright.make("shop", rule("shop.example.test", "web", 80, {}, { tls: true }));
    const failed =
      'gatewright_certificate_orders_failed_total{cause="authority_unreachable",renewal="false"}';
    await until(async () => ((await seriesOf(gatewright)).get(failed) ?? 0) > 0);
    await until(
      async () =>
        ((await seriesOf(gatewright)).get('gatewright_certificate_failures{name="shop.example.test"}') ?? 0) >
        0,
    );
  });
});
