import { hostname } from "node:os";
import type { Problem } from "../errors.ts";
import { type Pair, parsePair } from "./pairs.ts";
import type { Values } from "./read.ts";
import { Secret } from "./secret.ts";
import { otlpProtocols, traceSamplers } from "./settings.ts";

/** How `/metrics` and OTLP are, from their settings. */
export function telemetryConfig(values: Values) {
  return {
    named: { ingresses: values.number("METRICS_INGRESSES"), histograms: values.number("METRICS_HISTOGRAMS") },
    /** Absent: nothing is exported. */
    ...(values.flag("OTEL_ENABLED") ? { otlp: otlpConfig(values) } : {}),
  };
}

function otlpConfig(values: Values) {
  const protocol = otlpProtocols.find((one) => one === values.text("OTEL_EXPORTER_OTLP_PROTOCOL")) ?? "grpc";
  const caFile = values.text("OTEL_EXPORTER_OTLP_CERTIFICATE");
  return {
    protocol,
    /** `http://` or `https://`, host and port, and a path where one was given; no slash at its end. */
    endpoint: endpointOf(values, protocol === "grpc" ? 4317 : 4318),
    /** Sent with each export; mostly tokens. */
    headers: headersOf(values).map(([name, value]) => [name, new Secret(value)] as const),
    /** PEM file. Absent: the system's roots. */
    ...(caFile === undefined ? {} : { caFile }),
    timeoutMs: values.number("OTEL_EXPORTER_OTLP_TIMEOUT"),
    metricIntervalMs: values.number("OTEL_METRIC_EXPORT_INTERVAL"),
    serviceName: values.text("OTEL_SERVICE_NAME") ?? "gatewright",
    instanceId: values.text("OTEL_SERVICE_INSTANCE_ID") ?? values.text("GATEWAY_NAME") ?? hostname(),
    /** Attributes of the resource besides these. */
    attributes: pairsOf(values.list("OTEL_RESOURCE_ATTRIBUTES")),
    /** Absent: there are no traces. */
    ...(values.text("OTEL_TRACES_EXPORTER") === "none" ? {} : { traces: tracesConfig(values) }),
  };
}

function tracesConfig(values: Values) {
  const sampler = values.text("OTEL_TRACES_SAMPLER");
  return {
    sampler: traceSamplers.find((one) => one === sampler) ?? traceSamplers[0],
    /** For samplers of the name `traceidratio`. */
    share: values.number("OTEL_TRACES_SAMPLER_ARG"),
    /** Whether every client's traceparent is taken, and not only trusted proxies'. */
    trustParents: values.flag("TRUST_TRACEPARENT"),
  };
}

/** A scheme says for itself whether there is TLS; without one OTEL_INSECURE does. */
function endpointOf(values: Values, port: number): string {
  const text = values.text("OTEL_ENDPOINT") ?? "127.0.0.1";
  if (/^https?:/.test(text)) return text.replace(/\/+$/, "");
  const scheme = values.flag("OTEL_INSECURE") ? "http" : "https";
  // An IPv6 address has colons, and brackets only with a port.
  const host = text.split(":").length > 2 && !text.startsWith("[") ? `[${text}]` : text;
  return `${scheme}://${/:\d+$/.test(host) ? host : `${host}:${port}`}`;
}

/** Values of headers, which no log may repeat. */
export function otlpSecrets(values: Values): readonly Secret[] {
  return headersOf(values).map(([, value]) => new Secret(value));
}

function headersOf(values: Values): readonly Pair[] {
  return pairsOf(pieces(values));
}

function pairsOf(texts: readonly string[]): readonly Pair[] {
  return texts.map(parsePair).filter((pair) => pair !== undefined);
}

function pieces(values: Values): readonly string[] {
  return (values.text("OTEL_EXPORTER_OTLP_HEADERS") ?? "").split(",").filter((one) => one.trim() !== "");
}

/** Headers are secret, so that what is wrong with them is said without them. */
export function otlpProblems(values: Values): readonly Problem[] {
  if (pieces(values).every((text) => parsePair(text) !== undefined)) return [];
  const message =
    "OTEL_EXPORTER_OTLP_HEADERS must be a comma-separated list of name=value, with %2C for a comma in a value and %25 for a percent sign";
  return [{ code: "invalid_value", field: "OTEL_EXPORTER_OTLP_HEADERS", message }];
}
