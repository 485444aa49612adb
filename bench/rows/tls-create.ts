import { once } from "node:events";
import { connect } from "node:tls";
import { until } from "../../test/support/until.ts";
import { HttpClient } from "../http-client.ts";
import { settledBytes } from "../process-usage.ts";
import type { Measurement } from "../report.ts";
import { atMost, type Bench, compare, type Row } from "../row.ts";
import { openSite, type Site } from "../site.ts";
import { alternate, median } from "../statistics.ts";

const ROW = "tls-create";
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
    const start = await coldStart(site);
    const memory = await certificateMemory(site);
    await using one = await openTls(bench, 1);
    await untilSigned(one);
    await coldStart(one);
    const single = await certificateMemory(one);
    return [
      ...(await creates(bench, site, one)),
      {
        row: ROW,
        what: "cold start until each certificate is in memory",
        size,
        value: start.wallMs,
        unit: "ms",
        goal: atMost(start.wallMs, GOAL_START_MS, "ms"),
      },
      { row: ROW, what: "processor time of Caddy until then", size, value: start.caddyMs, unit: "ms" },
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
  let missing: readonly string[] = Array.from({ length: size }, (_, number) => `h${number}.bench.test`);
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

/** Resident memory after garbage was collected, settled. */
async function certificateMemory({ gatewright }: Site): Promise<number> {
  const admin = new HttpClient(gatewright.ports.admin);
  const headers = { origin: `http://127.0.0.1:${gatewright.ports.admin}` };
  await admin.send({ path: "/debug/pprof/heap?gc=1", headers });
  admin.close();
  return settledBytes(await gatewright.caddyPid());
}

/** Neither the manager nor Caddy runs; then from the start of the manager until Caddy has each certificate. */
async function coldStart(site: Site): Promise<{ readonly wallMs: number; readonly caddyMs: number }> {
  const { gatewright } = site;
  await gatewright.kill();
  process.kill(await gatewright.caddyPid(), "SIGKILL");
  const began = performance.now();
  await gatewright.start();
  await untilInMemory(site);
  const wallMs = performance.now() - began;
  return { wallMs, caddyMs: (await site.cpuSeconds()).caddy * 1000 };
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
