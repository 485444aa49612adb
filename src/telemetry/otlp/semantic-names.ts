/** What OpenTelemetry's semantic conventions call a family, its labels and its unit. */
export interface SemanticName {
  readonly name: string;
  /** Default: that of the family's name. */
  readonly unit?: string;
  /** Label → attribute; others keep their names. */
  readonly labels?: { readonly [label: string]: string };
  /** A gauge of which the conventions make a sum: values of several may be added up. */
  readonly isSum?: true;
}

const eventLoopDelay = Object.fromEntries(
  ["min", "max", "mean", "stddev", "p50", "p90", "p99"].map((of) => [
    `nodejs_eventloop_lag_${of}_seconds`,
    { name: `nodejs.eventloop.delay.${of}` },
  ]),
);

/**
 * By the family's name: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/, …/system/process-metrics/ and
 * …/runtime/nodejs-metrics/. Requests are those that Caddy proxies.
 */
export const semanticNames: { readonly [family: string]: SemanticName } = {
  gatewright_request_duration_seconds: { name: "http.server.request.duration" },
  gatewright_requests_in_flight: { name: "http.server.active_requests", unit: "{request}", isSum: true },
  gatewright_request_size_bytes: { name: "http.server.request.body.size" },
  gatewright_response_size_bytes: { name: "http.server.response.body.size" },
  gatewright_requests_total: {
    name: "gatewright_requests",
    unit: "{request}",
    labels: { status: "http.response.status_code", protocol: "network.protocol.version" },
  },
  process_resident_memory_bytes: { name: "process.memory.usage", isSum: true },
  process_virtual_memory_bytes: { name: "process.memory.virtual", isSum: true },
  process_open_fds: { name: "process.unix.file_descriptor.count", unit: "{file_descriptor}", isSum: true },
  nodejs_gc_duration_seconds: { name: "v8js.gc.duration", labels: { kind: "v8js.gc.type" } },
  ...eventLoopDelay,
};
