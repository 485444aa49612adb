import { mustSucceed } from "../load-generator.ts";
import { startTwin, type Twin } from "../peers/twin.ts";
import type { Measurement } from "../report.ts";
import { atMost, compare, type Row } from "../row.ts";
import { alternate } from "../statistics.ts";
import { processorMicros, samplePeer } from "./sample.ts";

const PEER = "not counted";
const GOAL = 1.02;

/** What counting costs a request: two Caddys with the same configuration, but that one counts no requests, in turn. */
export const counting: Row = {
  key: "counting",
  about: "cost of counting requests, against a Caddy that counts none",
  once: true,
  async measure(bench, site) {
    await using counted = await startTwin(bench, site, "counted", { metrics: true });
    await using uncounted = await startTwin(bench, site, "uncounted", { metrics: false });
    for (const { target } of [counted, uncounted])
      mustSucceed(await bench.load.run("http", { ...target, connections: 64, count: 5000 }));
    const run =
      ({ pid, target }: Twin) =>
      (round: number) =>
        samplePeer(bench, pid, target, round);
    const pairs = await alternate(bench.options.rounds, run(counted), run(uncounted));
    const time = compare(pairs, PEER, processorMicros);
    const common = { row: "counting", size: site.size };
    const measurements: Measurement[] = [
      {
        ...common,
        ...compare(pairs, PEER, ({ rate }) => rate),
        what: "proxied requests that are counted",
        unit: "/s",
      },
      {
        ...common,
        ...time,
        what: "processor time of a counted request",
        unit: "µs",
        goal: atMost(time.ratio, GOAL, ""),
      },
    ];
    return measurements;
  },
};
