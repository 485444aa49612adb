import { Histogram, Registry } from "prom-client";
import type { Track } from "../util/track.ts";
import { workHistogram } from "./track-work.ts";

/** What runs and notes the work of the control plane; there from the start on, since the start is work too. */
export interface ControlMetrics {
  /** Where they are, and all others shall be. */
  readonly registry: Registry;
  /** Changes and their steps. */
  readonly applies: Track<string>;
  /** What a store of documents does. */
  readonly store: (name: string) => Track<string>;
  /** Fetches of a source's instances. */
  readonly fetches: (source: string) => Track<string>;
  /** Told the seconds that an answer of the DNS server took. */
  readonly dns: (seconds: number) => void;
}

const applyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const storeBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];
const fetchBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const dnsBuckets = [0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.001, 0.01, 0.1];

/** Makes a registry with them. */
export function createControlMetrics(): ControlMetrics {
  const registry = new Registry();
  const dns = new Histogram({
    name: "gatewright_dns_answer_duration_seconds",
    help: "Time from a message over UDP to its answer, of one message in 64.",
    buckets: dnsBuckets,
    registers: [registry],
  });
  return {
    registry,
    applies: trackApplies(registry),
    store: storeHistogram(registry),
    fetches: fetchHistogram(registry),
    dns: (seconds) => dns.observe(seconds),
  };
}

function trackApplies(registry: Registry): Track<string> {
  const changes = workHistogram(registry, {
    name: "change_duration_seconds",
    help: "Time from a change that was admitted to its answer, by outcome.",
    buckets: applyBuckets,
  })();
  const steps = workHistogram(registry, {
    name: "apply_step_duration_seconds",
    help: "Time of each step of an apply (docs/applying.md), of loads of Caddy's configuration and its host table, and of restores, by outcome.",
    buckets: applyBuckets,
    label: "step",
  })();
  const batches = new Histogram({
    name: "gatewright_apply_batch_changes",
    help: "Changes that were applied together.",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    registers: [registry],
  });
  return (work, run, size) => {
    if (size !== undefined) batches.observe(size);
    return (work === "change" ? changes : steps)(work, run);
  };
}

function storeHistogram(registry: Registry): ControlMetrics["store"] {
  const work = workHistogram(registry, {
    name: "store_duration_seconds",
    help: "Time of writes to the journal (append), of having them on disk (sync), and of checkpoints, by outcome.",
    buckets: storeBuckets,
    label: "step",
    labelNames: ["store"],
  });
  return (store) => work({ store });
}

function fetchHistogram(registry: Registry): ControlMetrics["fetches"] {
  const work = workHistogram(registry, {
    name: "source_fetch_duration_seconds",
    help: "Time of fetches of the instances from their source, by outcome.",
    buckets: fetchBuckets,
    labelNames: ["source"],
  });
  return (source) => work({ source });
}
