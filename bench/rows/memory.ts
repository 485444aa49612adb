import { HttpClient } from "../http-client.ts";
import { residentBytes, settledBytes } from "../process-usage.ts";
import type { Measurement } from "../report.ts";
import { atMost, type Row } from "../row.ts";
import type { Site } from "../site.ts";
import { askEachHost } from "./busy-names.ts";

const GOAL_KB = 2;
const SMALLEST = 10_000;

/** Memory after all hosts were asked for, per ingress and its instance: what is more than with one ingress. */
export const memory: Row = {
  key: "memory",
  about: "resident memory of manager and Caddy, settled after serving",
  async measure(bench, site) {
    const measurements: Measurement[] = [];
    // The same connections on both sides of the difference.
    for (const each of [site, bench.one]) await askEachHost(bench, each);
    for (const part of ["manager", "Caddy"] as const) {
      const bytes = await settledOf(site, part);
      measurements.push({
        row: "memory",
        what: `memory of ${part}`,
        size: site.size,
        value: bytes / 2 ** 20,
        unit: "MB",
      });
      // Below that the noise of two heaps is larger than what is measured.
      if (site.size < SMALLEST) continue;
      const perIngress = (bytes - (await settledOf(bench.one, part))) / site.size / 1024;
      measurements.push({
        row: "memory",
        what: `memory of ${part} per ingress`,
        size: site.size,
        value: perIngress,
        unit: "KB",
        goal: atMost(perIngress, GOAL_KB, "KB"),
      });
    }
    return measurements;
  },
};

async function settledOf(site: Site, part: "manager" | "Caddy"): Promise<number> {
  if (part === "manager") return settledBytes(site.gatewright.managerPid());
  const { admin } = site.gatewright.ports;
  const client = new HttpClient(admin);
  // A heap profile with gc=1 collects garbage first (net/http/pprof); what is free then goes back in the background.
  await client.send({ path: "/debug/pprof/heap?gc=1", headers: { origin: `http://127.0.0.1:${admin}` } });
  client.close();
  const pid = await site.gatewright.caddyPid();
  return site.size < SMALLEST ? residentBytes(pid) : settledBytes(pid);
}
