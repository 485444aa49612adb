import type { Measurement } from "../report.ts";
import { atLeast, type Bench, compare, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { alternate, median } from "../statistics.ts";
import { askEachHost } from "./busy-names.ts";
import { profileBoth } from "./profile.ts";
import { processorMicros, sampleOurs, sampleStatic } from "./sample.ts";

const PEER = "one static route";

/** Ratio to reach, for sizes up to the given one. */
const goals: readonly (readonly [size: number, ratio: number])[] = [
  [1_000, 0.95],
  [10_000, 0.9],
  [100_000, 0.8],
];

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
    (round) => sampleOurs(bench, site, site.target, round),
    (round) => sampleStatic(bench, site, round),
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
      ...compare(pairs, PEER, processorMicros),
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
