/** A counter or gauge with its labels' values, in the order of the family's names of labels. */
export interface ValueSample {
  readonly l: readonly string[];
  readonly v: number;
}

/**
 * A histogram: `c` counts what was at most each bound, and at its end everything; `s` is the sum and `n` the number, absent
 * where they are 0.
 */
export interface HistogramSample {
  readonly l: readonly string[];
  readonly c: readonly number[];
  readonly s?: number;
  readonly n?: number;
}

interface Described {
  /** As in Prometheus, with the unit: `gatewright_…_seconds`. Counters end with `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** A metric with all its samples: what `GET /gatewright/metrics` on Caddy's admin endpoint answers, and what ours become. */
export type MetricFamily =
  | (Described & { readonly type: "counter" | "gauge"; readonly samples: readonly ValueSample[] })
  | (Described & {
      readonly type: "histogram";
      /** Upper bounds, ascending, without the infinite one. */
      readonly bounds: readonly number[];
      readonly samples: readonly HistogramSample[];
    });
