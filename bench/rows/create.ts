import { join } from "node:path";
import { type LoadReport, mustSucceed } from "../load-generator.ts";
import { type CaddyPeer, startCaddyPeer } from "../peers/caddy.ts";
import { flatRoutes } from "../peers/flat-routes.ts";
import type { Measurement } from "../report.ts";
import { atLeast, type Bench, compare, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { alternate, median, quantile } from "../statistics.ts";

const GOAL_MS = 10;
const GOAL_RATIO = 3;
const BURST = 1000;
const BURST_CLIENTS = 32;
const GOAL_BURST_PER_SECOND = 500;
/** A load of 100,000 flat routes would take minutes. */
const LARGEST_FLAT = 10_000;

/** Flags for creating, or deleting, ingresses named `<prefix>-0` … on new hostnames of the instance `vm-0`. */
export function creates(bench: Bench, site: Site, prefix: string) {
  const ingress = {
    name: `${prefix}-%d`,
    rules: [
      {
        match: { hostname: `${prefix}-%d.created.test`, port: site.httpPort },
        target: { instance: "vm-0", port: bench.backendPort },
      },
    ],
  };
  return {
    target: `127.0.0.1:${site.gatewright.ports.api}`,
    path: "/ingresses",
    body: JSON.stringify(ingress),
  };
}

export function deletes(site: Site, prefix: string) {
  return {
    target: `127.0.0.1:${site.gatewright.ports.api}`,
    method: "DELETE",
    path: `/ingresses/${prefix}-%d`,
  };
}

/** Latencies of one round. */
interface Block {
  readonly created: LoadReport["latency_us"];
  readonly deleted: LoadReport["latency_us"];
}

interface Creates {
  readonly row: string;
  /** What the site of the peer is called. */
  readonly peer: string;
  /** How many one after another, in a round. */
  readonly count: number;
  /** Makes another ingress of each; `prefix` is the round's. Default: as it is. */
  readonly edit?: (body: string, prefix: string) => string;
}

/** Creates one after another, then deletes them, in turn with another site's. Returns what makes figures of them. */
export async function createsInTurn(
  bench: Bench,
  site: Site,
  peer: Site,
  { row, peer: name, count, edit = (body) => body }: Creates,
) {
  const block = async (on: Site, round: number): Promise<Block> => {
    const prefix = `seq-${round}`;
    const flags = creates(bench, on, prefix);
    const body = edit(flags.body, prefix);
    const report = mustSucceed(await bench.load.run("rest", { ...flags, body, count }));
    const deleted = mustSucceed(await bench.load.run("rest", { ...deletes(on, prefix), count }));
    return { created: report.latency_us, deleted: deleted.latency_us };
  };
  // The first creates after a start run code that is not compiled yet.
  for (const on of new Set([site, peer])) await block(on, bench.options.rounds);
  const pairs = await alternate(
    bench.options.rounds,
    (round) => block(site, round),
    (round) => block(peer, round + 1000),
  );
  return (what: string, pick: (of: Block) => number) => ({
    row,
    size: site.size,
    ...compare(pairs, name, (of) => pick(of) / 1000),
    what,
    unit: "ms" as const,
  });
}

/** Creates one after another, in turn with a Gatewright of one ingress; then loads of flat routes. */
export const create: Row = {
  key: "create",
  about: "creates one after another, against one ingress and against flat routes",
  async measure(bench, site) {
    const count = bench.options.quick ? 50 : 200;
    const figure = await createsInTurn(bench, site, bench.one, { row: "create", peer: "one ingress", count });
    const p50 = figure("create p50", ({ created }) => created.p50);
    const met = p50.value <= GOAL_MS && p50.ratio <= GOAL_RATIO;
    return [
      { ...p50, goal: { text: `≤ ${GOAL_MS} ms, ≤ ${GOAL_RATIO} × one`, met } },
      figure("create p99", ({ created }) => created.p99),
      figure("delete p50", ({ deleted }) => deleted.p50),
      ...(await flatCreate(bench, site, p50.value)),
    ];
  },
};

async function flatCreate(bench: Bench, site: Site, ourMs: number): Promise<readonly Measurement[]> {
  if (site.size > LARGEST_FLAT) return [];
  const targets = { port: bench.backendPort, dnsPort: site.gatewright.ports.dns };
  await using peer = await startCaddyPeer(
    bench.caddyBinary,
    join(bench.scratch, `flat-create-${site.size}`),
    flatRoutes(site.size, targets),
  );
  const times: number[] = [];
  const rounds = site.size > 1000 ? 3 : 20;
  for (let round = 1; round <= rounds; round++) times.push(await timedLoad(peer, site.size + round, targets));
  const value = quantile(times, 0.5);
  return [
    {
      row: "create",
      what: "create p50, against flat routes",
      size: site.size,
      value: ourMs,
      unit: "ms",
      peer: { name: "flat routes", value },
      ratio: ourMs / value,
    },
  ];
}

async function timedLoad(
  peer: CaddyPeer,
  count: number,
  targets: { port: number; dnsPort: number },
): Promise<number> {
  const began = performance.now();
  await peer.load(peer.render(flatRoutes(count, targets)));
  return performance.now() - began;
}

/** Many creates at once: what the group commit is for. */
export const createBurst: Row = {
  key: "create-burst",
  about: "1,000 creates by 32 clients at once",
  async measure(bench, site) {
    const prefix = "burst";
    const count = BURST;
    const rates: number[] = [];
    for (let round = 0; round < Math.min(3, bench.options.rounds); round++) {
      const report = mustSucceed(
        await bench.load.run("rest", { ...creates(bench, site, prefix), count, clients: BURST_CLIENTS }),
      );
      rates.push(report.requests_per_second);
      mustSucceed(await bench.load.run("rest", { ...deletes(site, prefix), count, clients: BURST_CLIENTS }));
    }
    const value = median(rates);
    return [
      {
        row: "create-burst",
        what: `creates by ${BURST_CLIENTS} clients at once`,
        size: site.size,
        value,
        unit: "/s",
        goal: atLeast(value, GOAL_BURST_PER_SECOND, "/s"),
      },
    ];
  },
};
