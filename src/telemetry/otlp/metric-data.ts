import { type Attributes, type HrTime, ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
} from "@opentelemetry/sdk-metrics";
import type { HistogramSample, MetricFamily } from "../../caddy-json/metric-family.ts";
import { semanticNames } from "./semantic-names.ts";

/** From when on counters have counted, and until when. */
export interface Interval {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

/**
 * A family as OTLP has it: under the name and with the attributes of the semantic conventions where they have one, else
 * under its own, without the end of a counter's, which receivers add again. Pure.
 */
export function metricDataOf(family: MetricFamily, interval: Interval): MetricData {
  const { name, isSum = false, labels = {}, unit = unitOf(family.name) } = semanticNames[family.name] ?? {};
  const attributeNames = family.labels.map((label) => labels[label] ?? label);
  const point = <T>(l: readonly string[], value: T): DataPoint<T> => ({
    ...interval,
    attributes: attributesOf(attributeNames, l),
    value,
  });
  const common = {
    descriptor: {
      name: name ?? family.name.replace(/_total$/, ""),
      description: family.help,
      unit,
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (family.type === "histogram") {
    const { bounds } = family;
    return {
      ...common,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: family.samples.map((sample) => point(sample.l, histogramOf(sample, bounds))),
    };
  }
  const dataPoints = family.samples.map(({ l, v }) => point(l, v));
  const isMonotonic = family.type === "counter";
  return isMonotonic || isSum
    ? { ...common, dataPointType: DataPointType.SUM, isMonotonic, dataPoints }
    : { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
}

/** Buckets count for themselves here, not with those below them. */
function histogramOf({ c, n = 0, s = 0 }: HistogramSample, bounds: readonly number[]): Histogram {
  const counts = [...c.slice(0, bounds.length), n].map((count, index, all) => count - (all[index - 1] ?? 0));
  return { buckets: { boundaries: [...bounds], counts }, sum: s, count: n };
}

/** An empty value is an absent one, as in Prometheus; statuses are numbers. */
function attributesOf(names: readonly string[], values: readonly string[]): Attributes {
  const attributes: Attributes = {};
  for (const [index, name] of names.entries()) {
    const value = values[index] ?? "";
    if (value !== "") attributes[name] = name === "http.response.status_code" ? Number(value) : value;
  }
  return attributes;
}

/** By UCUM, as OpenTelemetry asks for. */
function unitOf(name: string): string {
  const base = name.replace(/_total$/, "");
  if (base.endsWith("_seconds")) return "s";
  return base.endsWith("_bytes") ? "By" : "";
}
