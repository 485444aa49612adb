import { join } from "node:path";
import { mustSucceed } from "../load-generator.ts";
import { startCoreDns } from "../peers/coredns.ts";
import { allProcessors, tieTo } from "../process-usage.ts";
import { atLeast, atMost, compare, type Row } from "../row.ts";
import { alternate, undisturbed } from "../statistics.ts";

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
    await tieTo(SERVER, site.gatewright.managerPid());
    try {
      await run(site.gatewright.ports.dns, 0);
      const pairs = await alternate(
        bench.options.rounds,
        (round) => run(site.gatewright.ports.dns, round),
        (round) => run(peer.port, round),
      );
      const name = "CoreDNS hosts";
      const rate = compare(pairs, name, (of) => of.requests_per_second);
      const ours = undisturbed(pairs.ours.map((of) => of.latency_us.p99)) / 1000;
      const theirs = undisturbed(pairs.peers.map((of) => of.latency_us.p99)) / 1000;
      return [
        {
          row: "dns",
          size: site.size,
          ...rate,
          what: "DNS answers",
          unit: "/s",
          goal: atLeast(rate.ratio, GOAL_RATIO),
        },
        {
          row: "dns",
          size: site.size,
          what: "DNS p99 with 64 questions in flight",
          value: ours,
          unit: "ms",
          peer: { name, value: theirs },
          ratio: ours / theirs,
          goal: atMost(ours, GOAL_P99_MS, "ms"),
        },
      ];
    } finally {
      await tieTo(allProcessors(), site.gatewright.managerPid());
    }
  },
};
