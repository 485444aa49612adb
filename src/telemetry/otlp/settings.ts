/** Where OTLP goes and how, and whom it tells of. */
export interface OtlpSettings {
  readonly protocol: "grpc" | "http/protobuf";
  /** `http://` or `https://`, host and port, and a path where there is one. */
  readonly endpoint: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** PEM file with the roots that the receiver is verified by. Absent: the system's. */
  readonly caFile?: string;
  /** For one export. */
  readonly timeoutMs: number;
  readonly metricIntervalMs: number;
  readonly serviceName: string;
  readonly instanceId: string;
  /** Attributes of the resource besides these. */
  readonly attributes: readonly (readonly [name: string, value: string])[];
  /** Absent: there are no spans. */
  readonly traces?: TraceSettings | undefined;
}

/** Of what there are spans. */
export interface TraceSettings {
  /** OpenTelemetry's name of it. */
  readonly sampler: string;
  /** For samplers of the name `traceidratio`. */
  readonly share: number;
}
