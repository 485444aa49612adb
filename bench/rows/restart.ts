import type { StartTime } from "../gatewright.ts";
import { atMost, type Row } from "../row.ts";
import { median } from "../statistics.ts";
import { askEachHost } from "./busy-names.ts";
import { failures, type Watched, watched } from "./watched.ts";

const GOAL_MS = 3000;

/** The manager dies and is started again while Caddy goes on. */
export const restart: Row = {
  key: "restart",
  about: "SIGKILL and start of the manager: time until /ready, failed requests meanwhile",
  async measure(bench, site) {
    // What was never asked for cannot be known while the manager is away.
    await askEachHost(bench, site);
    const rounds: Watched<StartTime>[] = [];
    for (let round = 0; round < (bench.options.quick ? 1 : 3); round++) {
      rounds.push(
        await watched(bench, site, async () => {
          await site.gatewright.kill();
          return site.gatewright.start();
        }),
      );
    }
    const value = median(rounds.map(({ result }) => result.wallMs));
    const common = { row: "restart", size: site.size, unit: "ms" } as const;
    return [
      {
        ...common,
        what: "manager killed, until /ready again",
        value,
        goal: atMost(value, GOAL_MS, "ms"),
      },
      {
        ...common,
        what: "processor time of the manager until then",
        value: median(rounds.map(({ result }) => result.cpuMs)),
      },
      ...failures("restart", "restarts", site.size, rounds),
    ];
  },
};
