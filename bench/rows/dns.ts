import { join } from "node:path";
import { mustSucceed } from "../load-generator.ts";
import { startCoreDns } from "../peers/coredns.ts";
import { allProcessors, tieTo } from "../process-usage.ts";
import { atLeast, atMost, type Row } from "../row.ts";
import { alternate, median, medianOfPairs } from "../statistics.ts";

const GOAL_RATIO = 0.9;
const GOAL_P99_MS = 2;
const SERVER = "0";
const CLIENT = "1";

/** DNS answers over UDP, one processor for the server and another for the load. */
export const dns: Row = {
  key: "dns",
  about: "DNS answers/s against CoreDNS with its hosts plugin, one processor each",
  quick: false,
  async measure(bench, site) {
    const folder = join(bench.scratch, `coredns-${site.size}`);
    const binary = await bench.coreDns();
    await using peer = await startCoreDns({ binary, folder, size: site.size, processors: SERVER });
    const run = async (port: number, seed: number) => {
      const flags = {
        target: `127.0.0.1:${port}`,
        "name-count": site.size,
        duration: `${bench.options.runMs}ms`,
        seed,
      };
      return mustSucceed(await bench.load.run("dns", flags, { processors: CLIENT }));
    };
    await tieTo(SERVER, site.managerPid());
    try {
      await run(site.gatewright.ports.dns, 0);
      const pairs = await alternate(
        bench.options.rounds,
        (round) => run(site.gatewright.ports.dns, round),
        (round) => run(peer.port, round),
      );
      const ratio = medianOfPairs(
        pairs,
        (ours, other) => ours.requests_per_second / other.requests_per_second,
      );
      const p99 = median(pairs.ours.map(({ latency_us }) => latency_us.p99)) / 1000;
      const name = "CoreDNS hosts";
      return [
        {
          row: "dns",
          what: "DNS answers",
          size: site.size,
          value: median(pairs.ours.map(({ requests_per_second }) => requests_per_second)),
          unit: "/s",
          peer: { name, value: median(pairs.peers.map(({ requests_per_second }) => requests_per_second)) },
          ratio,
          goal: atLeast(ratio, GOAL_RATIO),
        },
        {
          row: "dns",
          what: "DNS p99 with 64 questions in flight",
          size: site.size,
          value: p99,
          unit: "ms",
          peer: { name, value: median(pairs.peers.map(({ latency_us }) => latency_us.p99)) / 1000 },
          goal: atMost(p99, GOAL_P99_MS, "ms"),
        },
      ];
    } finally {
      await tieTo(allProcessors(), site.managerPid());
    }
  },
};
