import { atMost, type Row } from "../row.ts";
import { median } from "../statistics.ts";
import { failures, type Watched, watched } from "./watched.ts";

const GOAL_MS = 3000;

/** The manager dies and is started again while Caddy goes on. */
export const restart: Row = {
  key: "restart",
  about: "SIGKILL and start of the manager: time until /ready, failed requests meanwhile",
  async measure(bench, site) {
    const rounds: Watched<number>[] = [];
    for (let round = 0; round < (bench.options.quick ? 1 : 3); round++) {
      rounds.push(
        await watched(bench, site, async () => {
          await site.gatewright.stop("SIGKILL");
          const began = performance.now();
          await site.gatewright.start();
          return performance.now() - began;
        }),
      );
    }
    const value = median(rounds.map(({ result }) => result));
    return [
      {
        row: "restart",
        what: "manager killed, until /ready again",
        size: site.size,
        value,
        unit: "ms",
        goal: atMost(value, GOAL_MS, "ms"),
      },
      ...rounds.slice(0, 1).flatMap((seen) => failures("restart", "restart", site.size, seen)),
    ];
  },
};
