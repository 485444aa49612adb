import type { Registry } from "prom-client";
import { addMetric } from "./add-metric.ts";

/** Requests that policies turned away since Caddy started: rule id → status → how many. */
export interface RefusalCounts {
  readonly [rule: string]: { readonly [status: string]: number };
}

export interface RefusalMetricSources {
  /** Asked at each scrape. Rejects when Caddy does not answer: then the scrape goes without. */
  readonly refusals: () => Promise<RefusalCounts>;
  /** Name of an ingress by its id; undefined once it is deleted. */
  readonly nameOf: (ingressId: string) => string | undefined;
}

/** Rules with a series of their own: those with the most refusals. */
const MOST_RULES = 1_000;

/** Adds `gatewright_refused_requests_total` to a registry. Caddy counts, from zero after each restart. */
export function addRefusalMetrics(registry: Registry, { refusals, nameOf }: RefusalMetricSources): void {
  const help = `Requests that policies turned away, by ingress, rule and status; of the ${MOST_RULES} rules with the most.`;
  const labelNames = ["ingress", "rule", "status"];
  addMetric(registry, { name: "refused_requests_total", help, labelNames, isCounter: true }, async () =>
    most(await refusals().catch(() => ({}))).flatMap(([id, counts]) => {
      const [ingressId = "", rule = ""] = id.split("/");
      const ingress = nameOf(ingressId);
      if (ingress === undefined) return [];
      return Object.entries(counts).map(([status, count]) => [count, { ingress, rule, status }] as const);
    }),
  );
}

function most(counts: RefusalCounts): [string, RefusalCounts[string]][] {
  const sum = (one: RefusalCounts[string]): number =>
    Object.values(one).reduce((total, count) => total + count, 0);
  return Object.entries(counts)
    .sort(([, one], [, other]) => sum(other) - sum(one))
    .slice(0, MOST_RULES);
}
