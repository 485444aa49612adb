import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";

/** What OTLP tells of, and in which message. */
export const signals = { metrics: "Metrics", logs: "Logs", traces: "Traces" } as const;

export type Signal = keyof typeof signals;

export type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

export interface Attributes {
  readonly [name: string]: Value;
}

/** Of one series at one time. */
export interface MetricPoint {
  readonly resource: Attributes;
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram";
  readonly attributes: Attributes;
  /** Unix time in milliseconds. */
  readonly startMs: number;
  readonly timeMs: number;
  /** A histogram's count. */
  readonly value: number;
  readonly sum?: number;
  readonly bounds?: readonly number[];
  readonly counts?: readonly number[];
  readonly isMonotonic?: boolean;
}

export interface LogRecord {
  readonly resource: Attributes;
  readonly severity: number;
  readonly level: string;
  readonly body: Value;
  readonly attributes: Attributes;
  /** "" where it belongs to none. */
  readonly traceId: string;
  readonly spanId: string;
}

export interface Span {
  readonly resource: Attributes;
  readonly scope: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes: Attributes;
  /** 2: it failed. */
  readonly status: number;
  readonly durationMs: number;
}

/** What the text of a message came to. */
export interface Decoded {
  readonly metrics: readonly MetricPoint[];
  readonly logs: readonly LogRecord[];
  readonly traces: readonly Span[];
}

const { root } = protobuf.parse(readFileSync(join(import.meta.dirname, "otlp.proto"), "utf8"));

// biome-ignore lint/suspicious/noExplicitAny: the forms are those of the .proto file
type Message = any;

/** Reads the body of an export. */
export function decode<Name extends Signal>(signal: Name, bytes: Uint8Array): Decoded[Name] {
  const type = root.lookupType(`otlp.${signals[signal]}`);
  const message = type.toObject(type.decode(bytes), { longs: Number, defaults: true, oneofs: true });
  return readers[signal](message) as Decoded[Name];
}

const readers: { readonly [Name in Signal]: (message: Message) => Decoded[Name] } = {
  metrics: ({ resourceMetrics }) =>
    resourceMetrics.flatMap(({ resource, scopeMetrics }: Message) =>
      scopeMetrics.flatMap(({ metrics }: Message) =>
        metrics.flatMap((metric: Message) => pointsOf(metric, attributesOf(resource.attributes))),
      ),
    ),
  logs: ({ resourceLogs }) =>
    resourceLogs.flatMap(({ resource, scopeLogs }: Message) =>
      scopeLogs.flatMap(({ logRecords }: Message) =>
        logRecords.map((record: Message) => ({
          resource: attributesOf(resource.attributes),
          severity: record.severityNumber,
          level: record.severityText,
          body: plainOf(record.body),
          attributes: attributesOf(record.attributes),
          traceId: hex(record.traceId),
          spanId: hex(record.spanId),
        })),
      ),
    ),
  traces: ({ resourceSpans }) =>
    resourceSpans.flatMap(({ resource, scopeSpans }: Message) =>
      scopeSpans.flatMap(({ scope, spans }: Message) =>
        spans.map((span: Message) => ({
          resource: attributesOf(resource.attributes),
          scope: scope?.name ?? "",
          name: span.name,
          kind: span.kind,
          traceId: hex(span.traceId),
          spanId: hex(span.spanId),
          parentId: hex(span.parentSpanId),
          links: span.links.map((link: Message) => ({
            traceId: hex(link.traceId),
            spanId: hex(link.spanId),
          })),
          attributes: attributesOf(span.attributes),
          status: span.status?.code ?? 0,
          durationMs: (span.endTimeUnixNano - span.startTimeUnixNano) / 1e6,
        })),
      ),
    ),
};

function pointsOf(metric: Message, resource: Attributes): readonly MetricPoint[] {
  const { name, unit, data: kind } = metric;
  const { dataPoints, isMonotonic } = metric[kind];
  return dataPoints.map((point: Message) => ({
    resource,
    name,
    unit,
    kind,
    attributes: attributesOf(point.attributes),
    startMs: point.startTimeUnixNano / 1e6,
    timeMs: point.timeUnixNano / 1e6,
    ...(kind === "histogram"
      ? { value: point.count, sum: point.sum, bounds: point.explicitBounds, counts: point.bucketCounts }
      : { value: point[point.value] }),
    ...(kind === "sum" ? { isMonotonic } : {}),
  }));
}

function attributesOf(pairs: Message): Attributes {
  return Object.fromEntries(pairs.map(({ key, value }: Message) => [key, plainOf(value)]));
}

function plainOf(value: Message): Value {
  const kind = value?.value;
  if (kind === undefined) return "";
  if (kind === "arrayValue") return value.arrayValue.values.map(plainOf);
  if (kind === "kvlistValue") return attributesOf(value.kvlistValue.values);
  return value[kind];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
