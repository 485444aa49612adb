import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Pebble, startPebble } from "../../test/support/acme/pebble.ts";
import { createTestAuthority } from "../../test/support/acme/test-authority.ts";
import { startZoneDns } from "../../test/support/acme/zone-dns.ts";
import { until } from "../../test/support/until.ts";
import type { Measurement } from "../report.ts";
import type { Bench, Row } from "../row.ts";
import { openSite, type Site } from "../site.ts";
import { lackingNames, untilInMemory } from "./tls-create.ts";

const ROW = "orders";
/** As the store of `bench/seed.ts` names the hosts. */
const ZONE = "bench.test";
const LARGEST = 10_000;
const PATIENCE_MS = 1_800_000;

/** Orders of as many names at a real ACME authority, while Caddy and the manager are killed. */
export const orders: Row = {
  key: ROW,
  about: "orders at Pebble: names/s, and what a kill of Caddy and one of the manager lose (only by name)",
  quick: false,
  named: true,
  async measure(bench, { size }) {
    if (size > LARGEST) return [];
    await using stack = new AsyncDisposableStack();
    const authority = await createTestAuthority();
    const dns = stack.use(await startZoneDns({ zone: ZONE, texts: () => [] }));
    let pebble: Pebble | undefined;
    stack.defer(async () => pebble?.[Symbol.asyncDispose]());
    const root = join(bench.scratch, "acme-root.pem");
    await writeFile(root, authority.pem);
    const { caddyBinary, backendPort } = bench;
    const began = performance.now();
    const site = stack.use(
      await openSite({
        size,
        kind: "literal",
        caddyBinary,
        backendPort,
        tls: true,
        settings: async ({ http, https }) => {
          await pebble?.[Symbol.asyncDispose]();
          pebble = await startPebble({ authority, httpPort: http, tlsPort: https, dns: dns.address });
          return {
            ACME_EMAIL: "ops@example.test",
            ACME_CA: pebble.directory,
            ACME_CA_ROOT: root,
            ACME_ORDERS_PER_MINUTE: "1000000",
            TLS_ALLOWED_DOMAINS: `*.${ZONE}`,
            TLS_PREFER_WILDCARD: "false",
          };
        },
      }),
    );
    if (pebble === undefined) throw new Error("Pebble was not started");
    return await measureOrders(bench, site, pebble, began);
  },
};

async function measureOrders(
  { say }: Bench,
  site: Site,
  pebble: Pebble,
  began: number,
): Promise<readonly Measurement[]> {
  const { size } = site;
  const figure = (what: string, value: number, unit: Measurement["unit"], goal?: number): Measurement => ({
    row: ROW,
    size,
    what,
    value,
    unit,
    ...(goal === undefined ? {} : { goal: { text: String(goal), met: value <= goal } }),
  });
  const third = Math.ceil(size / 3);
  await until(() => pebble.issued() >= third, PATIENCE_MS);
  const undisturbed = (pebble.issued() / (performance.now() - began)) * 1000;
  say(`${pebble.issued()} issued; killing Caddy`);
  process.kill(await site.gatewright.caddyPid(), "SIGKILL");
  // Each order holds the lock of its name; the next Caddy takes those of the dead one away after some seconds.
  const underWay = await lockedNames(site);
  await until(() => pebble.issued() >= 2 * third, PATIENCE_MS);
  say(`${pebble.issued()} issued; killing the manager`);
  await site.gatewright.kill();
  await site.gatewright.start();
  const names = Array.from({ length: size }, (_, number) => `h${number}.${ZONE}`);
  await until(() => pebble.issued() >= size, PATIENCE_MS);
  await untilInMemory(site).catch(() => say(`not all names are served:\n${pebble.output()}`));
  const seconds = (performance.now() - began) / 1000;
  const lost = await lackingNames(site, names);
  const issued = await pebble.issuedFor();
  const twice = names.filter((name) => (issued.get(name) ?? 0) > 1);
  return [
    figure("names ordered, until Caddy is killed", undisturbed, "/s"),
    figure("names ordered, from the start to the last, both kills included", size / seconds, "/s"),
    figure("names without a certificate in the end", lost.length, "lost", 0),
    figure("names whose order the kill of Caddy met", underWay.size, "names"),
    figure(
      "authorizations that the authority refused, whose orders are made again",
      pebble.refused(),
      "orders",
    ),
    figure(
      "orders beyond these and one for each name",
      Math.max(0, pebble.orders() - size - underWay.size - pebble.refused()),
      "orders",
      0,
    ),
    figure(
      "names with two certificates, whose order no kill met",
      twice.filter((name) => !underWay.has(name)).length,
      "names",
      0,
    ),
    figure(
      "names with two certificates, the first of which was issued when Caddy was dead or had not stored it",
      twice.filter((name) => underWay.has(name)).length,
      "names",
    ),
  ];
}

/** Names whose order is under way, or was when Caddy died. */
async function lockedNames({ gatewright }: Site): Promise<ReadonlySet<string>> {
  const files = await readdir(join(gatewright.dataDir, "caddy/data/locks"));
  return new Set(files.map((file) => file.replace(/^issue_cert_|\.lock$/g, "")));
}
