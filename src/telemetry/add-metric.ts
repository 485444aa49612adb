import { Counter, Gauge, type Registry } from "prom-client";

/** A value with its labels. */
export type Sample = readonly [value: number, labels?: { readonly [label: string]: string }];

/** What a metric is. */
export interface MetricOptions {
  /** Without the prefix `gatewright_`. */
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
  /** Default: a gauge. */
  readonly isCounter?: boolean;
}

/** Adds a metric whose samples are read at each scrape. */
export function addMetric(
  registry: Registry,
  { name, help, labelNames = [], isCounter = false }: MetricOptions,
  read: () => Iterable<Sample> | Promise<Iterable<Sample>>,
): void {
  const options = {
    name: `gatewright_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    async collect(): Promise<void> {
      const samples = await read();
      metric.reset();
      for (const [value, labels = {}] of samples) metric.inc(labels, value);
    },
  };
  const metric = isCounter ? new Counter(options) : new Gauge(options);
}
