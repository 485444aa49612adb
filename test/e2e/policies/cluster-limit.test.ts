import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Ingress } from "../../../src/model/api.ts";
import { visit } from "../../support/api.ts";
import { compile } from "../../support/compile.ts";
import { compilerSettings } from "../../support/compiler-settings.ts";
import { startEtcd } from "../../support/etcd.ts";
import { freePort } from "../../support/free-port.ts";
import { startLoadedCaddy } from "../../support/loaded-caddy.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

/** Few enough that gateways of a busy machine are asked for more. */
const FAST_PER_SECOND = 10;

const etcd = use(startEtcd);

/** The ports of three Caddys that serve the same ingresses, as gateways with one store do. */
const gateways = use(async () => {
  await using stack = new AsyncDisposableStack();
  const ports = await Promise.all(
    ["one", "two", "three"].map(async (gateway) => {
      const caddy = stack.use(await startLoadedCaddy());
      const httpPort = await freePort();
      const storeKeysFile = join(caddy.folder, "store.keys");
      await writeFile(storeKeysFile, Buffer.alloc(32).toString("base64"));
      const settings = compilerSettings({
        httpPort,
        folder: caddy.folder,
        gateway,
        admin: {
          listen: `gatewright/127.0.0.1:${caddy.adminPort}`,
          origins: [`127.0.0.1:${caddy.adminPort}`],
        },
        etcd: { endpoints: etcd.endpoints, prefix: "/gatewright/", storeKeysFile },
      });
      await caddy.serve(
        compile(
          [limited("slow", 1, 60, httpPort), limited("fast", FAST_PER_SECOND, FAST_PER_SECOND, httpPort)],
          settings,
        ),
      );
      return httpPort;
    }),
  );
  const running = stack.move();
  return { ports, [Symbol.asyncDispose]: () => running.disposeAsync() };
});

/** What the limit lets pass is in maintenance: 503. */
function limited(name: string, requests_per_second: number, burst: number, port: number): Ingress {
  const at = "2026-01-01T00:00:00.000Z";
  const rules: Ingress["rules"] = [
    {
      match: { hostname: `${name}.test`, port },
      target: { instance: "nobody", port: 80 },
      tls: false,
      redirect_http: false,
      policies: { rate_limit: { requests_per_second, burst, scope: "cluster" }, maintenance: {} },
    },
  ];
  return { id: name, name, rules, created_at: at, updated_at: at };
}

/** Asks one gateway; whether it was let through. */
async function passes(port: number, host: string): Promise<boolean> {
  const { status } = await visit(port, host);
  expect([429, 503]).toContain(status);
  return status !== 429;
}

it("counts requests of all gateways together", async () => {
  const [one = 0, two = 0, three = 0] = gateways.ports;
  // 60 in a minute; each gateway is told of the others' within two seconds.
  for (let sent = 0; sent < 30; sent++) expect(await passes(one, "slow.test")).toBe(true);
  for (let sent = 0; sent < 29; sent++) expect(await passes(two, "slow.test")).toBe(true);
  await until(async () => !(await passes(three, "slow.test")));
  await until(async () => !(await passes(one, "slow.test")));
});

it("lets little more than the rate pass where each gateway gets its share of too many", async () => {
  const seconds = 6;
  const end = Date.now() + seconds * 1000;
  let passed = 0;
  let sent = 0;
  // Each gets more than may come to all of them.
  const ask = async (port: number): Promise<void> => {
    while (Date.now() < end) {
      sent++;
      if (await passes(port, "fast.test")) passed++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await Promise.all(gateways.ports.map(ask));
  console.info(`of ${sent} requests ${passed} passed in ${seconds} s, at ${FAST_PER_SECOND} a second`);
  expect(passed).toBeGreaterThanOrEqual(FAST_PER_SECOND * seconds * 0.7);
  // Each by itself would let nearly all of them pass.
  expect(passed).toBeLessThan(Math.min(FAST_PER_SECOND * seconds * 2, sent * 0.75));
});

it("counts alone while etcd is away", async () => {
  const [one = 0] = gateways.ports;
  await etcd.members[0]?.kill();
  await until(() => passes(one, "fast.test"));
  let refused = 0;
  for (let sent = 0; sent < 200; sent++) if (!(await passes(one, "fast.test"))) refused++;
  expect(refused).toBeGreaterThan(0);
});
