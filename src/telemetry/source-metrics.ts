import type { Registry } from "prom-client";
import type { InstanceState } from "../model/api.ts";
import document from "../model/openapi.json" with { type: "json" };
import { addMetric } from "./add-metric.ts";

export interface SourceMetricSources {
  /** How many instances there are in each state. */
  readonly instances: () => ReadonlyMap<InstanceState, number>;
  /** Present where the instances come from elsewhere. */
  readonly source?: {
    readonly name: string;
    readonly status: () => { readonly state: string; readonly lastSuccessAt?: string };
  };
}

const instanceStates = document.components.schemas.InstanceState.enum as readonly InstanceState[];
const sourceStates = ["starting", "ok", "failing", "expired"] as const;

/** Adds the instances, and how the source does that they come from. */
export function addSourceMetrics(registry: Registry, { instances, source }: SourceMetricSources): void {
  const byState = { name: "instances", help: "Known instances by state.", labelNames: ["state"] };
  addMetric(registry, byState, () => {
    const counts = instances();
    return instanceStates.map((state) => [counts.get(state) ?? 0, { state }]);
  });
  if (source === undefined) return;
  const { name, status } = source;
  const state = {
    name: "source_state",
    help: "1 for the state of the source of instances: failing, it serves the last known ones; expired, none.",
    labelNames: ["source", "state"],
  };
  addMetric(registry, state, () => {
    const present = status().state;
    return sourceStates.map((one) => [Number(one === present), { source: name, state: one }]);
  });
  const fresh = {
    name: "source_last_success_timestamp_seconds",
    help: "When the source of instances last answered, Unix time; absent before it did.",
    labelNames: ["source"],
  };
  addMetric(registry, fresh, () => {
    const { lastSuccessAt } = status();
    return lastSuccessAt === undefined ? [] : [[Date.parse(lastSuccessAt) / 1000, { source: name }]];
  });
}
