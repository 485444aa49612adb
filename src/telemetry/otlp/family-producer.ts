import type { HrTime } from "@opentelemetry/api";
import { millisToHrTime } from "@opentelemetry/core";
import { emptyResource } from "@opentelemetry/resources";
import type { CollectionResult, MetricProducer } from "@opentelemetry/sdk-metrics";
import type { MetricFamily } from "../../caddy-json/metric-family.ts";
import { metricDataOf } from "./metric-data.ts";

export interface FamilyProducerOptions {
  readonly version: string;
  readonly families: () => Promise<readonly MetricFamily[]>;
  /** Unix time in milliseconds. */
  readonly now: () => number;
}

interface Counted {
  readonly total: number;
  readonly since: HrTime;
}

/** Brings families into OpenTelemetry's SDK, which reads and exports them at its interval. */
export class FamilyProducer implements MetricProducer {
  readonly #options: FamilyProducerOptions;
  readonly #counted = new Map<string, Counted>();
  #last: HrTime;

  constructor(options: FamilyProducerOptions) {
    this.#options = options;
    this.#last = millisToHrTime(options.now());
  }

  async collect(): Promise<CollectionResult> {
    const families = await this.#options.families();
    const endTime = millisToHrTime(this.#options.now());
    const metrics = families
      .filter(({ samples }) => samples.length > 0)
      .map((family) => metricDataOf(family, { startTime: this.#startOf(family), endTime }));
    this.#last = endTime;
    const scope = { name: "gatewright", version: this.#options.version };
    return {
      resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope, metrics }] },
      errors: [],
    };
  }

  /** When the family began to count. What counts less than before began again, as Caddy does when it is restarted. */
  #startOf(family: MetricFamily): HrTime {
    const total =
      family.type === "histogram"
        ? family.samples.reduce((sum, { n = 0 }) => sum + n, 0)
        : family.samples.reduce((sum, { v }) => sum + v, 0);
    const before = this.#counted.get(family.name);
    const since = before === undefined || total < before.total ? this.#last : before.since;
    this.#counted.set(family.name, { total, since });
    return since;
  }
}
