import { once } from "node:events";
import { join } from "node:path";
import { connect } from "node:tls";
import { until } from "../../test/support/until.ts";
import { HttpClient } from "../http-client.ts";
import { startCaddyPeer } from "../peers/caddy.ts";
import { staticRoute } from "../peers/static-route.ts";
import { cpuSeconds, settledBytes } from "../process-usage.ts";
import type { Measurement } from "../report.ts";
import { atMost, type Bench, compare, type Row } from "../row.ts";
import { addressOf, hostOf } from "../seed.ts";
import { openSite, type Site } from "../site.ts";
import { alternate, median } from "../statistics.ts";

const ROW = "tls-create";
const STOCK = "stock Caddy, the same certificates";
const GOAL_MS = 10;
const GOAL_RATIO = 3;
const GOAL_START_MS = 5000;
/** More certificates take minutes to sign. */
const LARGEST = 10_000;
/** Below that the noise of two heaps is larger than what is measured. */
const MANY = 1000;
const READY_MS = 600_000;

/** TLS hosts with a certificate each, of Caddy's own authority. */
export const tlsCreate: Row = {
  key: ROW,
  about: "TLS hosts with certificates of their own: create, from the 201 to served, cold start, memory",
  async measure(bench, { size }) {
    if (size > LARGEST) return [];
    await using site = await openTls(bench, size);
    const signing = await untilSigned(site);
    const [start, stock] = await coldStart(bench, site);
    const memory = await certificateMemory(site);
    await using one = await openTls(bench, 1);
    await untilSigned(one);
    const [, stockOne] = await coldStart(bench, one);
    const single = await certificateMemory(one);
    const beside = (value: number) => ({ peer: { name: STOCK, value } });
    return [
      ...(await creates(bench, site, one)),
      {
        row: ROW,
        what: "cold start until each certificate is in memory",
        size,
        value: start.wallMs,
        unit: "ms",
        ...beside(stock.wallMs),
        goal: atMost(start.wallMs, GOAL_START_MS, "ms"),
      },
      {
        row: ROW,
        what: "processor time of Caddy until then",
        size,
        value: start.caddyMs,
        unit: "ms",
        ...beside(stock.caddyMs),
      },
      { row: ROW, what: "certificates signed at the first start", size, value: signing, unit: "/s" },
      ...(size < MANY
        ? []
        : [
            {
              row: ROW,
              what: "memory of Caddy per TLS host",
              size,
              value: (memory - single) / size / 1024,
              unit: "KB",
              ...beside((stock.bytes - stockOne.bytes) / size / 1024),
            } as const,
          ]),
    ];
  },
};

export function openTls({ caddyBinary, backendPort }: Bench, size: number): Promise<Site> {
  return openSite({ size, kind: "literal", caddyBinary, backendPort, tls: true });
}

/** How many certificates a second, until all are in Caddy's memory. */
export async function untilSigned(site: Site): Promise<number> {
  const began = performance.now();
  await untilInMemory(site);
  return (site.size / (performance.now() - began + site.coldStart.wallMs)) * 1000;
}

/** Those of the names that Caddy has no certificate of in memory. */
export async function lackingNames(
  { gatewright: { ports } }: Site,
  names: readonly string[],
): Promise<readonly string[]> {
  const admin = new HttpClient(ports.admin);
  try {
    return await lacking(admin, ports.admin, names);
  } finally {
    admin.close();
  }
}

/** Asks for what was missing the last time only, since the questions take processor time, too. */
export async function untilInMemory({ gatewright: { ports }, size }: Site): Promise<void> {
  const admin = new HttpClient(ports.admin);
  let missing: readonly string[] = Array.from({ length: size }, (_, number) => hostOf(number));
  await until(async () => {
    const [one] = missing;
    if (missing.length > 1 && (await lacking(admin, ports.admin, [one ?? ""])).length > 0) return false;
    missing = await lacking(admin, ports.admin, missing);
    return missing.length === 0;
  }, READY_MS);
  admin.close();
}

async function lacking(
  admin: HttpClient,
  port: number,
  names: readonly string[],
): Promise<readonly string[]> {
  const { body } = await admin.succeed({
    method: "POST",
    path: "/gatewright/certificates",
    body: JSON.stringify({ names }),
    headers: { origin: `http://127.0.0.1:${port}` },
  });
  const { certificates } = JSON.parse(body) as {
    certificates: readonly { readonly name: string; readonly served?: object }[];
  };
  return certificates.flatMap(({ name, served }) => (served === undefined ? [name] : []));
}

function certificateMemory({ gatewright }: Site): Promise<number> {
  return gatewright.caddyPid().then((pid) => memoryOf(pid, gatewright.ports.admin));
}

/** Resident memory of a Caddy after garbage was collected, settled. */
async function memoryOf(pid: number, adminPort: number): Promise<number> {
  const admin = new HttpClient(adminPort);
  await admin.send({
    path: "/debug/pprof/heap?gc=1",
    headers: { origin: `http://127.0.0.1:${adminPort}` },
  });
  admin.close();
  return settledBytes(pid);
}

interface Start {
  readonly wallMs: number;
  readonly caddyMs: number;
}

/**
 * Neither the manager nor Caddy runs; then from the start of the manager until Caddy has each certificate. Before that stock Caddy
 * with the same files, from its start until it has the last of them.
 */
async function coldStart(
  bench: Bench,
  site: Site,
): Promise<readonly [ours: Start, stock: Start & { readonly bytes: number }]> {
  const { gatewright } = site;
  await gatewright.kill();
  process.kill(await gatewright.caddyPid(), "SIGKILL");
  const stock = await stockStart(bench, site);
  const began = performance.now();
  await gatewright.start();
  await untilInMemory(site);
  const wallMs = performance.now() - began;
  return [{ wallMs, caddyMs: (await site.cpuSeconds()).caddy * 1000 }, stock];
}

async function stockStart({ caddyBinary, scratch, backendPort }: Bench, { gatewright, size }: Site) {
  const names = Array.from({ length: size }, (_, number) => hostOf(number));
  const began = performance.now();
  await using peer = await startCaddyPeer(
    caddyBinary,
    join(scratch, `${ROW}-${size}`),
    [staticRoute(addressOf(0), backendPort)],
    { names, storage: join(gatewright.dataDir, "caddy/data") },
  );
  const wallMs = performance.now() - began;
  const caddyMs = (await cpuSeconds(peer.pid)) * 1000;
  return { wallMs, caddyMs, bytes: await memoryOf(peer.pid, peer.adminPort) };
}

interface Created {
  readonly createMs: number;
  /** From the answer to the end of the first handshake of the new name. */
  readonly servedMs: number;
}

async function creates(bench: Bench, site: Site, one: Site): Promise<readonly Measurement[]> {
  let number = 0;
  const block = async (on: Site): Promise<readonly Created[]> => {
    const done: Created[] = [];
    for (let left = bench.options.quick ? 20 : 50; left > 0; left -= 1) {
      number += 1;
      done.push(await createOnce(bench, on, number));
      await on.api.succeed({ method: "DELETE", path: `/ingresses/tls-${number}` });
    }
    return done;
  };
  for (const on of [site, one]) await block(on);
  const pairs = await alternate(
    bench.options.rounds,
    () => block(site),
    () => block(one),
  );
  const figure = (what: string, pick: (of: Created) => number) => ({
    row: ROW,
    size: site.size,
    ...compare(pairs, "one TLS host", (of) => median(of.map(pick))),
    what,
    unit: "ms" as const,
  });
  const create = figure("create of a TLS host p50", ({ createMs }) => createMs);
  const met = create.value <= GOAL_MS && create.ratio <= GOAL_RATIO;
  return [
    { ...create, goal: { text: `≤ ${GOAL_MS} ms, ≤ ${GOAL_RATIO} × one`, met } },
    figure("from the 201 to the end of the first handshake p50", ({ servedMs }) => servedMs),
  ];
}

async function createOnce({ backendPort }: Bench, site: Site, number: number): Promise<Created> {
  const hostname = `n${number}.created.test`;
  const rule = {
    match: { hostname, port: site.httpPort },
    target: { instance: "vm-0", port: backendPort },
    tls: true,
  };
  const body = JSON.stringify({ name: `tls-${number}`, rules: [rule] });
  const { totalMs } = await site.api.succeed({ method: "POST", path: "/ingresses", body });
  const began = performance.now();
  const socket = connect({ port: site.httpPort, servername: hostname, rejectUnauthorized: false });
  // Rejects where the handshake fails: nothing is tried again.
  await once(socket, "secureConnect");
  const servedMs = performance.now() - began;
  socket.destroy();
  return { createMs: totalMs, servedMs };
}
