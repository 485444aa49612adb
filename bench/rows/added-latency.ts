import { mustSucceed } from "../load-generator.ts";
import { atMost, type Bench, type Row, staticTarget } from "../row.ts";
import type { Site } from "../site.ts";
import { alternate, undisturbed } from "../statistics.ts";

const CONNECTIONS = 64;
/**
 * Share of what the peer can do. Generator and backend run on the same processors: at half of it they wait for each other
 * so often that the peer's own p99 differs by milliseconds from run to run.
 */
const LOAD = 0.2;
const GOAL_MS = 0.3;

/** What the dispatcher and the upstream source add to a request's latency, at a rate that leaves the machine air. */
export const addedLatency: Row = {
  key: "latency",
  about: "added latency at a fixed rate of a fifth of what one static route can do",
  async measure(bench, site) {
    const peerTarget = staticTarget(bench, site);
    const most = mustSucceed(await run(bench, peerTarget, {})).requests_per_second;
    const rate = Math.round(most * LOAD);
    const at = async (target: Site["target"], seed: number) =>
      mustSucceed(await run(bench, target, { rate, seed })).latency_us;
    // The first run of each warms its connections up.
    await at(site.target, 0);
    const pairs = await alternate(
      bench.options.rounds * 2,
      (round) => at(site.target, round),
      (round) => at(peerTarget, round),
    );
    return (["p50", "p99"] as const).map((name) => {
      const ours = undisturbed(pairs.ours.map((round) => round[name])) / 1000;
      const peer = undisturbed(pairs.peers.map((round) => round[name])) / 1000;
      return {
        row: "latency",
        what: `added latency ${name}`,
        size: site.size,
        value: ours - peer,
        unit: "ms" as const,
        peer: { name: `in all, at ${rate}/s`, value: peer },
        ...(name === "p99" ? { goal: atMost(ours - peer, GOAL_MS, "ms") } : {}),
      };
    });
  },
};

function run(bench: Bench, target: Site["target"], flags: { readonly [flag: string]: number }) {
  return bench.load.run("http", {
    ...target,
    ...flags,
    connections: CONNECTIONS,
    duration: `${bench.options.runMs}ms`,
    warmup: "200ms",
  });
}
