import { Counter, type Registry } from "prom-client";

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
  new Counter({
    name: "gatewright_refused_requests_total",
    help: `Requests that policies turned away, by ingress, rule and status; of the ${MOST_RULES} rules with the most.`,
    labelNames: ["ingress", "rule", "status"],
    registers: [registry],
    async collect() {
      this.reset();
      for (const [id, counts] of most(await refusals().catch(() => ({})))) {
        const [ingressId = "", rule = ""] = id.split("/");
        const ingress = nameOf(ingressId);
        if (ingress === undefined) continue;
        for (const [status, count] of Object.entries(counts)) this.inc({ ingress, rule, status }, count);
      }
    },
  });
}

function most(counts: RefusalCounts): [string, RefusalCounts[string]][] {
  const sum = (one: RefusalCounts[string]): number =>
    Object.values(one).reduce((total, count) => total + count, 0);
  return Object.entries(counts)
    .sort(([, one], [, other]) => sum(other) - sum(one))
    .slice(0, MOST_RULES);
}
