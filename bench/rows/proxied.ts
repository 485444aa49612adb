import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HttpClient } from "../http-client.ts";
import { mustSucceed } from "../load-generator.ts";
import { cpuSeconds } from "../process-usage.ts";
import type { Measurement } from "../report.ts";
import { atLeast, type Bench, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { alternate, median, medianOfPairs } from "../statistics.ts";

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
  readonly cpuMicros: number;
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
  const peerTarget = { ...site.target, target: `127.0.0.1:${bench.staticPeer.httpPort}` };
  const sample = async (
    target: Site["target"],
    cpu: () => Promise<number>,
    seed: number,
  ): Promise<Sample> => {
    const before = await cpu();
    const report = mustSucceed(
      await bench.load.run("http", {
        ...target,
        connections: CONNECTIONS,
        duration: `${bench.options.runMs}ms`,
        seed,
      }),
    );
    return {
      rate: report.requests_per_second,
      cpuMicros: (((await cpu()) - before) / report.requests) * 1e6,
    };
  };
  const profiled = bench.options.profileDir === undefined ? undefined : profileCaddy(bench, site, row);
  const pairs = await alternate(
    bench.options.rounds,
    (round) => sample(site.target, () => site.cpuSeconds(), round),
    (round) => sample(peerTarget, () => cpuSeconds([bench.staticPeer.pid]), round),
  );
  await profiled;
  const ratio = medianOfPairs(pairs, (ours, peer) => ours.rate / peer.rate);
  const goal = goals.find(([size]) => site.size <= size)?.[1];
  return [
    {
      row,
      what: `proxied requests, ${hosts}`,
      size: site.size,
      value: median(pairs.ours.map(({ rate }) => rate)),
      unit: "/s",
      peer: { name: PEER, value: median(pairs.peers.map(({ rate }) => rate)) },
      ratio,
      ...(goal === undefined ? {} : { goal: atLeast(ratio, goal) }),
    },
    {
      row,
      what: `processor time of a proxied request, ${hosts}`,
      size: site.size,
      value: median(pairs.ours.map(({ cpuMicros }) => cpuMicros)),
      unit: "µs",
      peer: { name: PEER, value: median(pairs.peers.map(({ cpuMicros }) => cpuMicros)) },
      ratio: medianOfPairs(pairs, (ours, peer) => ours.cpuMicros / peer.cpuMicros),
    },
  ];
}

/** Asks for each host once, so that every name is busy before the first run. */
async function askEachHost(bench: Bench, site: Site): Promise<void> {
  mustSucceed(
    await bench.load.run("http", {
      ...site.target,
      connections: CONNECTIONS,
      count: Math.max(site.size, 2_000),
      "in-turn": true,
    }),
  );
}

/** Writes a CPU profile that Caddy takes of itself over all rounds. */
async function profileCaddy(bench: Bench, site: Site, row: string): Promise<void> {
  const seconds = Math.max(1, Math.floor((bench.options.rounds * 2 * bench.options.runMs) / 1000));
  const { admin } = site.gatewright.ports;
  const client = new HttpClient(admin);
  const { profileDir = "." } = bench.options;
  const { bytes } = await client.succeed({
    path: `/debug/pprof/profile?seconds=${seconds}`,
    headers: { origin: `http://127.0.0.1:${admin}` },
  });
  await writeFile(join(profileDir, `caddy-${row}-${site.size}.pprof`), bytes);
  client.close();
}
