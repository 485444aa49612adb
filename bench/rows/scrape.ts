import { mainThreadCpuSeconds } from "../process-usage.ts";
import type { Measurement } from "../report.ts";
import { atMost, type Row } from "../row.ts";
import { median } from "../statistics.ts";
import { askEachHost } from "./busy-names.ts";

const GOAL_MS = 50;
/** Enough for processor time, which Linux counts in hundredths of a second. */
const SCRAPES = 20;

/** What a scrape of all metrics takes, after all hosts were asked for. */
export const scrape: Row = {
  key: "scrape",
  about: "GET /metrics: processor time of the manager and of Caddy, and how long",
  async measure(bench, site) {
    await askEachHost(bench, site);
    // The first compiles.
    const { bytes } = await site.api.succeed({ path: "/metrics" });
    const usage = async () => ({
      manager: await mainThreadCpuSeconds(site.gatewright.managerPid()),
      caddy: (await site.cpuSeconds()).caddy,
    });
    const before = await usage();
    const times: number[] = [];
    for (let index = 0; index < SCRAPES; index++)
      times.push((await site.api.succeed({ path: "/metrics" })).totalMs);
    const after = await usage();
    const each = (part: "manager" | "caddy"): number => ((after[part] - before[part]) / SCRAPES) * 1000;
    const common = { row: "scrape", size: site.size, unit: "ms" as const };
    const measurements: Measurement[] = [
      {
        ...common,
        what: "scrape, processor time of the manager's thread",
        value: each("manager"),
        goal: atMost(each("manager"), GOAL_MS, "ms"),
      },
      { ...common, what: "scrape, processor time of Caddy", value: each("caddy") },
      { ...common, what: "scrape, whole", value: median(times) },
      { ...common, what: "scrape, size", value: bytes.length / 2 ** 20, unit: "MB" },
    ];
    return measurements;
  },
};
