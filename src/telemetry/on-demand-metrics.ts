import type { Registry } from "prom-client";
import { addMetric } from "./add-metric.ts";

/** Adds how often each answer was given to the question whether a certificate may be ordered. */
export function addOnDemandMetrics(
  registry: Registry,
  answers: () => { readonly [answer: string]: number },
): void {
  const questions = {
    name: "on_demand_questions_total",
    help: "Caddy's questions whether a certificate may be ordered for a name, by answer.",
    labelNames: ["answer"],
    isCounter: true,
  };
  addMetric(registry, questions, () =>
    Object.entries(answers()).map(([answer, count]) => [count, { answer }]),
  );
}
