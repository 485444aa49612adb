import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { addHealthMetrics, type HealthSources } from "../../src/telemetry/health-metrics.ts";

const well: HealthSources = {
  ready: () => true,
  caddy: () => ({ isUp: true, hasDrifted: false, drifts: 0, starts: 1, ends: 0, unservedPorts: 0 }),
  unservedTlsRules: () => 0,
  waitingChanges: () => 0,
};

async function scrape(sources: HealthSources): Promise<string[]> {
  const registry = new Registry();
  addHealthMetrics(registry, sources);
  await registry.metrics();
  // A second scrape must not add to the first.
  return (await registry.metrics()).split("\n").filter((line) => line.startsWith("gatewright_"));
}

describe("C5: metrics of health", () => {
  it("are 0 and 1 where all is well", async () => {
    expect(await scrape(well)).toEqual([
      "gatewright_ready 1",
      "gatewright_caddy_up 1",
      "gatewright_caddy_drifted 0",
      "gatewright_unserved_ports 0",
      "gatewright_unserved_tls_rules 0",
      "gatewright_waiting_changes 0",
      "gatewright_caddy_drifts_total 0",
      "gatewright_caddy_starts_total 1",
      "gatewright_caddy_ends_total 0",
    ]);
  });

  it("say each for itself what is wrong", async () => {
    const lines = await scrape({
      ready: () => false,
      caddy: () => ({ isUp: false, hasDrifted: true, drifts: 3, starts: 5, ends: 4, unservedPorts: 2 }),
      unservedTlsRules: () => 5,
      waitingChanges: () => 7,
      storeUp: () => false,
    });
    expect(lines).toEqual([
      "gatewright_ready 0",
      "gatewright_caddy_up 0",
      "gatewright_caddy_drifted 1",
      "gatewright_unserved_ports 2",
      "gatewright_unserved_tls_rules 5",
      "gatewright_store_up 0",
      "gatewright_waiting_changes 7",
      "gatewright_caddy_drifts_total 3",
      "gatewright_caddy_starts_total 5",
      "gatewright_caddy_ends_total 4",
    ]);
  });

  it("tell of the shared store where there is one", async () => {
    expect(await scrape({ ...well, storeUp: () => true })).toContain("gatewright_store_up 1");
  });
});
