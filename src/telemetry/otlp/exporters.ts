import { readFile } from "node:fs/promises";
import type { LogRecordExporter } from "@opentelemetry/sdk-logs";
import type { PushMetricExporter } from "@opentelemetry/sdk-metrics";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { OtlpSettings } from "./settings.ts";

/** What sends each of the three to the receiver. */
export interface Exporters {
  readonly metrics: PushMetricExporter;
  readonly logs: LogRecordExporter;
  readonly traces: SpanExporter;
}

/** Exports of a kind that may be under way at once: at the end a whole queue is sent in pieces, all at the same time. */
const CONCURRENCY = 8;

/** Makes the exporters of OpenTelemetry; only those of the protocol are loaded. */
export async function createExporters(settings: OtlpSettings): Promise<Exporters> {
  const ca = settings.caFile === undefined ? undefined : await readFile(settings.caFile);
  return settings.protocol === "grpc" ? grpcExporters(settings, ca) : httpExporters(settings, ca);
}

async function grpcExporters(
  { endpoint, headers, timeoutMs }: OtlpSettings,
  ca: Buffer | undefined,
): Promise<Exporters> {
  const [{ credentials, Metadata }, metrics, logs, traces] = await Promise.all([
    import("@grpc/grpc-js"),
    import("@opentelemetry/exporter-metrics-otlp-grpc"),
    import("@opentelemetry/exporter-logs-otlp-grpc"),
    import("@opentelemetry/exporter-trace-otlp-grpc"),
  ]);
  const options = () => {
    const metadata = new Metadata();
    for (const [name, value] of headers) metadata.set(name, value);
    return {
      url: endpoint,
      metadata,
      credentials: endpoint.startsWith("https:") ? credentials.createSsl(ca) : credentials.createInsecure(),
      timeoutMillis: timeoutMs,
      concurrencyLimit: CONCURRENCY,
    };
  };
  return {
    metrics: new metrics.OTLPMetricExporter(options()),
    logs: new logs.OTLPLogExporter(options()),
    traces: new traces.OTLPTraceExporter(options()),
  };
}

async function httpExporters(
  { endpoint, headers, timeoutMs }: OtlpSettings,
  ca: Buffer | undefined,
): Promise<Exporters> {
  const [metrics, logs, traces] = await Promise.all([
    import("@opentelemetry/exporter-metrics-otlp-proto"),
    import("@opentelemetry/exporter-logs-otlp-proto"),
    import("@opentelemetry/exporter-trace-otlp-proto"),
  ]);
  const options = (signal: string) => ({
    url: `${endpoint}/v1/${signal}`,
    headers: Object.fromEntries(headers),
    ...(ca === undefined ? {} : { httpAgentOptions: { ca } }),
    timeoutMillis: timeoutMs,
    concurrencyLimit: CONCURRENCY,
  });
  return {
    metrics: new metrics.OTLPMetricExporter(options("metrics")),
    logs: new logs.OTLPLogExporter(options("logs")),
    traces: new traces.OTLPTraceExporter(options("traces")),
  };
}
