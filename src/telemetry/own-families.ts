import type { MetricObjectWithValues, MetricValue, Registry } from "prom-client";
import type { HistogramSample, MetricFamily } from "../caddy-json/metric-family.ts";

type Value = MetricValue<string> & { readonly metricName?: string };
type Told = MetricObjectWithValues<Value>;

/** What this process counts itself, as families. */
export async function ownFamilies(registry: Registry): Promise<readonly MetricFamily[]> {
  const told = (await registry.getMetricsAsJSON()) as unknown as readonly Told[];
  return told.map(familyOf);
}

function familyOf({ name, help, type, values }: Told): MetricFamily {
  const labels = labelsOf(values);
  // prom-client tells types as words, and declares them as numbers.
  const kind: unknown = type;
  if (kind !== "histogram") {
    const samples = values.map((one) => ({ l: valuesOf(one, labels), v: one.value }));
    return { name, help, type: kind === "counter" ? "counter" : "gauge", labels, samples };
  }
  const bounds = [...new Set(values.flatMap(({ labels: { le } }) => (typeof le === "number" ? [le] : [])))];
  return { name, help, type: "histogram", labels, bounds, samples: histograms(name, labels, values) };
}

/** Buckets, sum and count of the same labels, put together. prom-client tells buckets ascending. */
function histograms(
  name: string,
  labels: readonly string[],
  values: readonly Value[],
): readonly HistogramSample[] {
  const found = new Map<string, { l: readonly string[]; c: number[]; s: number; n: number }>();
  for (const one of values) {
    const l = valuesOf(one, labels);
    const key = JSON.stringify(l);
    const histogram = found.get(key) ?? { l, c: [], s: 0, n: 0 };
    found.set(key, histogram);
    if (one.metricName === `${name}_sum`) histogram.s = one.value;
    else if (one.metricName === `${name}_count`) histogram.n = one.value;
    else histogram.c.push(one.value);
  }
  return [...found.values()];
}

/** Names of the labels that any value has: prom-client leaves out what was not given. */
function labelsOf(values: readonly Value[]): readonly string[] {
  const names = new Set<string>();
  for (const { labels } of values) for (const name in labels) names.add(name);
  names.delete("le");
  return [...names];
}

function valuesOf({ labels }: Value, names: readonly string[]): readonly string[] {
  return names.map((name) => String(labels[name] ?? ""));
}
