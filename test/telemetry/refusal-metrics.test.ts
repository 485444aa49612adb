import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { addRefusalMetrics, type RefusalCounts } from "../../src/telemetry/refusal-metrics.ts";

async function scrape(refusals: () => Promise<RefusalCounts>): Promise<string[]> {
  const registry = new Registry();
  const nameOf = (id: string): string | undefined => (id === "gone" ? undefined : `name-of-${id}`);
  addRefusalMetrics(registry, { refusals, nameOf });
  await registry.metrics();
  // A second scrape must not add to the first.
  return (await registry.metrics()).split("\n").filter((line) => line.startsWith("gatewright_refused"));
}

describe("metrics of refusals", () => {
  it("are by ingress, rule and status, as Caddy counts", async () => {
    expect(await scrape(async () => ({ "a/0": { "403": 2, "429": 5 }, "gone/0": { "403": 9 } }))).toEqual([
      'gatewright_refused_requests_total{ingress="name-of-a",rule="0",status="403"} 2',
      'gatewright_refused_requests_total{ingress="name-of-a",rule="0",status="429"} 5',
    ]);
  });

  it("are of the rules with the most, so that their number is bounded", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_500 }, (_, index) => [`i${index}/0`, { "403": index + 1 }]),
    );
    const lines = await scrape(async () => many);
    expect(lines).toHaveLength(1_000);
    expect(lines).toContain(
      'gatewright_refused_requests_total{ingress="name-of-i1499",rule="0",status="403"} 1500',
    );
  });

  it("are left out while Caddy does not answer", async () => {
    expect(await scrape(() => Promise.reject(new Error("no answer")))).toEqual([]);
  });
});
