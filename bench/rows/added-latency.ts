import { mustSucceed } from "../load-generator.ts";
import { atMost, type Bench, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { alternate, median, medianOfPairs } from "../statistics.ts";

const CONNECTIONS = 64;
/** Share of what the peer can do. */
const LOAD = 0.5;
const GOAL_MS = 0.3;

/** What the dispatcher and the upstream source add to a request's latency, at a rate that leaves the machine air. */
export const addedLatency: Row = {
  key: "latency",
  about: "added latency at a fixed rate of half of what one static route can do",
  async measure(bench, site) {
    const peerTarget = { ...site.target, target: `127.0.0.1:${bench.staticPeer.httpPort}` };
    const most = mustSucceed(await run(bench, peerTarget, {})).requests_per_second;
    const rate = Math.round(most * LOAD);
    const at = async (target: Site["target"], seed: number) =>
      mustSucceed(await run(bench, target, { rate, seed })).latency_us;
    // The first run of each warms its connections up.
    await at(site.target, 0);
    const pairs = await alternate(
      bench.options.rounds,
      (round) => at(site.target, round),
      (round) => at(peerTarget, round),
    );
    return (["p50", "p99"] as const).map((quantile) => {
      const added = medianOfPairs(pairs, (ours, peer) => ours[quantile] - peer[quantile]) / 1000;
      return {
        row: "latency",
        what: `added latency ${quantile}`,
        size: site.size,
        value: added,
        unit: "ms" as const,
        peer: { name: `at ${rate}/s`, value: median(pairs.peers.map((peer) => peer[quantile])) / 1000 },
        ...(quantile === "p99" ? { goal: atMost(added, GOAL_MS, "ms") } : {}),
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
