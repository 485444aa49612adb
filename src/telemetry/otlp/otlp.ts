import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { AlwaysOffSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { MetricFamily } from "../../caddy-json/metric-family.ts";
import type { LogEntry, Logger } from "../../log.ts";
import type { Tracing } from "../tracing.ts";
import { ExportWatch } from "./export-watch.ts";
import { createExporters } from "./exporters.ts";
import { FamilyProducer } from "./family-producer.ts";
import { logRecordOf } from "./log-records.ts";
import { renewable } from "./renewable-exporters.ts";
import { samplerOf } from "./sampler.ts";
import type { OtlpSettings } from "./settings.ts";
import { OtlpTracer } from "./tracer.ts";

export interface OtlpOptions {
  readonly settings: OtlpSettings;
  readonly version: string;
  readonly logger: Logger;
}

/** Sends metrics, log entries and spans to a receiver of OTLP. */
export interface Otlp {
  readonly tracing: Tracing;
  log(entry: LogEntry): void;
  /** Has metrics read at their interval, and once more at the end. */
  readFrom(families: () => Promise<readonly MetricFamily[]>): void;
  /** Has exports carry other headers from now on. */
  renewHeaders(headers: OtlpSettings["headers"]): Promise<void>;
  /** Sends what is left, for a short time only. */
  close(): Promise<void>;
}

/** What waits to be sent, for each kind; what comes then is dropped. */
const MOST_WAITING = 2_048;
const MOST_AT_ONCE = 512;
/** Points of metrics in one export: some 2 MB, where receivers of gRPC take 4. */
const MOST_POINTS_AT_ONCE = 5_000;
const SEND_EVERY_MS = 1_000;
/** A receiver that does not answer holds a stop up no longer. */
const CLOSE_WITHIN_MS = 3_000;

/** Nothing is asked of the receiver: it may come later. Rejects where the file with its roots cannot be read. */
export async function startOtlp({ logger, settings, version }: OtlpOptions): Promise<Otlp> {
  const exporters = renewable(await createExporters(settings));
  const watch = new ExportWatch(logger, settings.endpoint);
  watch.follow("metrics", exporters.metrics);
  watch.follow("logs", exporters.logs);
  watch.follow("traces", exporters.traces);
  const resource = resourceFromAttributes({
    ...Object.fromEntries(settings.attributes),
    "service.name": settings.serviceName,
    "service.instance.id": settings.instanceId,
    "service.version": version,
  });
  const queue = {
    maxQueueSize: MOST_WAITING,
    maxExportBatchSize: MOST_AT_ONCE,
    scheduledDelayMillis: SEND_EVERY_MS,
    exportTimeoutMillis: settings.timeoutMs,
  };
  const logs = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ exporter: exporters.logs, ...queue })],
  });
  const traces = new TracerProvider({
    resource,
    sampler: settings.traces === undefined ? new AlwaysOffSampler() : samplerOf(settings.traces),
    spanProcessors: [new BatchSpanProcessor({ exporter: exporters.traces, ...queue })],
  });
  const tracing = new OtlpTracer(traces.getTracer("gatewright", version));
  const records = logs.getLogger("gatewright", version);
  let metrics: MeterProvider | undefined;
  let inForce = settings.headers;
  return {
    tracing,
    log: (entry) => records.emit({ ...logRecordOf(entry), context: tracing.context() }),
    readFrom: (families) => {
      const reader = new PeriodicExportingMetricReader({
        exporter: exporters.metrics,
        exportIntervalMillis: settings.metricIntervalMs,
        exportTimeoutMillis: Math.min(settings.timeoutMs, settings.metricIntervalMs),
        maxExportBatchSize: MOST_POINTS_AT_ONCE,
        metricProducers: [new FamilyProducer({ version, families, now: wallClock })],
      });
      metrics = new MeterProvider({ resource, readers: [reader] });
    },
    renewHeaders: async (headers) => {
      if (JSON.stringify(headers) === JSON.stringify(inForce)) return;
      inForce = headers;
      exporters.renew(await createExporters({ ...settings, headers }));
    },
    close: async () => {
      const closed = Promise.allSettled([metrics?.shutdown(), traces.shutdown(), logs.shutdown()]);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, CLOSE_WITHIN_MS);
      await Promise.race([closed, promise]);
      clearTimeout(timer);
    },
  };
}

/** Points of metrics have dates. */
function wallClock(): number {
  return performance.timeOrigin + performance.now();
}
