import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HttpClient } from "../http-client.ts";
import { mustSucceed } from "../load-generator.ts";
import { cpuSeconds } from "../process-usage.ts";
import type { Measurement } from "../report.ts";
import { atLeast, type Bench, compare, type Row, staticTarget } from "../row.ts";
import type { Site } from "../site.ts";
import { alternate, median } from "../statistics.ts";
import { askEachHost } from "./busy-names.ts";

const CONNECTIONS = 64;
const PEER = "one static route";

/** Ratio to reach, for sizes up to the given one. */
const goals: readonly (readonly [size: number, ratio: number])[] = [
  [1_000, 0.95],
  [10_000, 0.9],
  [100_000, 0.8],
];

interface Sample {
  readonly rate: number;
  readonly caddyMicros: number;
  readonly managerMicros: number;
}

/** Proxied requests over random hosts of all there are; every name is busy. */
export const proxied: Row = {
  key: "proxied",
  about: "proxied requests/s over random literal hosts, and what they cost in processor time",
  measure: (bench, site) => measureProxied(bench, site, "proxied", "literals"),
};

/** The same where each hostname is a pattern of its own. */
export const proxiedPatterns: Row = {
  key: "proxied-patterns",
  about: "the same over pattern hosts",
  kind: "pattern",
  measure: (bench, site) => measureProxied(bench, site, "proxied-patterns", "patterns"),
};

async function measureProxied(
  bench: Bench,
  site: Site,
  row: string,
  hosts: string,
): Promise<readonly Measurement[]> {
  await askEachHost(bench, site);
  const profiled = profileBoth(bench, site, row);
  const pairs = await alternate(
    bench.options.rounds,
    (round) => sample(bench, site.target, () => site.cpuSeconds(), round),
    (round) => sample(bench, staticTarget(bench, site), () => peerCpuSeconds(bench), round),
  );
  await profiled;
  const rate = compare(pairs, PEER, (of) => of.rate);
  const goal = goals.find(([size]) => site.size <= size)?.[1];
  const common = { row, size: site.size };
  return [
    {
      ...common,
      ...rate,
      what: `proxied requests, ${hosts}`,
      unit: "/s",
      ...(goal === undefined ? {} : { goal: atLeast(rate.ratio, goal) }),
    },
    {
      ...common,
      ...compare(pairs, PEER, (of) => of.caddyMicros + of.managerMicros),
      what: `processor time of a proxied request, ${hosts}`,
      unit: "µs",
    },
    {
      ...common,
      what: `the manager's part of it, ${hosts}`,
      value: median(pairs.ours.map((of) => of.managerMicros)),
      unit: "µs",
    },
  ];
}

async function sample(
  bench: Bench,
  target: Site["target"],
  cpu: () => Promise<{ readonly manager: number; readonly caddy: number }>,
  seed: number,
): Promise<Sample> {
  const before = await cpu();
  const duration = `${bench.options.runMs}ms`;
  const report = mustSucceed(
    await bench.load.run("http", { ...target, connections: CONNECTIONS, duration, seed }),
  );
  const after = await cpu();
  return {
    rate: report.requests_per_second,
    caddyMicros: ((after.caddy - before.caddy) / report.requests) * 1e6,
    managerMicros: ((after.manager - before.manager) / report.requests) * 1e6,
  };
}

async function peerCpuSeconds(bench: Bench): Promise<{ manager: number; caddy: number }> {
  return { manager: 0, caddy: await cpuSeconds(bench.staticPeer.pid) };
}

/** Writes the CPU profiles that Caddy and the peer take of themselves over all rounds. */
async function profileBoth(bench: Bench, site: Site, row: string): Promise<void> {
  const { profileDir, rounds, runMs } = bench.options;
  if (profileDir === undefined) return;
  const seconds = Math.max(1, Math.floor((rounds * 2 * runMs) / 1000));
  const write = async (name: string, admin: number) => {
    const client = new HttpClient(admin);
    const { bytes } = await client.succeed({
      path: `/debug/pprof/profile?seconds=${seconds}`,
      headers: { origin: `http://127.0.0.1:${admin}` },
    });
    await writeFile(join(profileDir, `${row}-${site.size}-${name}.pprof`), bytes);
    client.close();
  };
  await Promise.all([
    write("gatewright", site.gatewright.ports.admin),
    write("static-route", bench.staticPeer.adminPort),
  ]);
}
