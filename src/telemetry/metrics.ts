import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";
import type { MetricFamily } from "../caddy-json/metric-family.ts";
import type { CertificateOverview } from "../certificates/report.ts";
import { addMetric } from "./add-metric.ts";
import { exposition, type MetricType, metricTypes } from "./exposition.ts";
import { ownFamilies } from "./own-families.ts";

/** What the metrics are read from at each scrape. */
export interface MetricSources {
  /** Where metrics were added before. Default: a new one. */
  readonly registry?: Registry;
  readonly version: string;
  readonly ingresses: () => number;
  /** Names at most so many of those that end first and of those that fail. */
  readonly certificates: (most: number) => CertificateOverview;
  /** What Caddy counts. Default: nothing. Never rejects. */
  readonly caddy?: () => Promise<readonly MetricFamily[]>;
}

/** All metrics: this process's own and Caddy's. */
export interface Metrics {
  /** Where the parts of this process add theirs. */
  readonly registry: Registry;
  /** Read once for all who ask at the same time. */
  families(): Promise<readonly MetricFamily[]>;
  /** The same as text. Default: Prometheus' format. */
  text(type?: MetricType): Promise<string>;
  /** Counts an answered API request; `route` is the pattern, never the address. */
  observeRequest(method: string, route: string, status: number, seconds: number): void;
  /** Counts a token that was refused, or not even read since too many wrong ones came from its address. */
  observeRefusedToken(outcome: "invalid" | "unread"): void;
}

/** Names with a series of their own: those that end first. */
const MOST_NAMES = 1_000;
const states = ["ready", "pending", "failed", "expired", "idle"] as const;

/** Makes a registry of its own; nothing is collected before a scrape asks. */
export function createMetrics(sources: MetricSources): Metrics {
  const { registry = new Registry() } = sources;
  collectDefaultMetrics({ register: registry });
  // Gauges with the end of counters' names, which promtool refuses; those by type beside them say more.
  for (const name of ["handles", "requests", "resources"])
    registry.removeSingleMetric(`nodejs_active_${name}_total`);
  const { caddy = async () => [], certificates, ingresses, version } = sources;
  const info = { name: "info", help: "Always 1; the version is a label.", labelNames: ["version"] };
  addMetric(registry, info, () => [[1, { version }]]);
  addMetric(registry, { name: "uptime_seconds", help: "Time since the process started." }, () => [
    [process.uptime()],
  ]);
  addMetric(registry, { name: "ingresses", help: "Ingresses that are stored." }, () => [[ingresses()]]);
  // Four metrics tell of the same certificates: they are gone through once a scrape.
  let scraped: CertificateOverview | undefined;
  addCertificateMetrics(registry, () => scraped ?? certificates(MOST_NAMES));
  const { requests, duration, refusedTokens } = requestMetrics([registry]);
  const read = async (): Promise<readonly MetricFamily[]> => {
    const told = await caddy();
    scraped = certificates(MOST_NAMES);
    try {
      return [...told, ...(await ownFamilies(registry))];
    } finally {
      scraped = undefined;
    }
  };
  let reading: Promise<readonly MetricFamily[]> | undefined;
  const families = (): Promise<readonly MetricFamily[]> => {
    reading ??= read().finally(() => (reading = undefined));
    return reading;
  };
  return {
    registry,
    families,
    text: async (type = metricTypes[0]) => exposition(await families(), type),
    observeRequest: (method, route, status, seconds) => {
      requests.inc({ method, route, status });
      duration.observe({ method, route }, seconds);
    },
    observeRefusedToken: (outcome) => refusedTokens.inc({ outcome }),
  };
}

function addCertificateMetrics(registry: Registry, overview: () => CertificateOverview): void {
  const byState = { name: "certificates", help: "Certificates by state.", labelNames: ["state"] };
  addMetric(registry, byState, () => {
    const { counts } = overview();
    return states.map((state) => [counts[state], { state }]);
  });
  const expiring = {
    name: "certificates_expiring",
    help: "Certificates that end within TLS_EXPIRY_WARNING.",
  };
  addMetric(registry, expiring, () => [[overview().counts.expiring]]);
  const ends = {
    name: "certificate_not_after_timestamp_seconds",
    help: `End of each certificate's validity, Unix time; of the ${MOST_NAMES} that end first.`,
    labelNames: ["name", "source"],
  };
  addMetric(registry, ends, () =>
    overview().ending.map(({ name, notAfter, source }) => [notAfter.getTime() / 1000, { name, source }]),
  );
  const failures = {
    name: "certificate_failures",
    help: "Orders that failed in a row, of names whose last order failed.",
    labelNames: ["name"],
  };
  addMetric(registry, failures, () => overview().failing.map(({ name, failures }) => [failures, { name }]));
}

function requestMetrics(registers: Registry[]) {
  const requests = new Counter({
    name: "gatewright_http_requests_total",
    help: "Answered requests to the API.",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const duration = new Histogram({
    name: "gatewright_http_request_duration_seconds",
    help: "Time to answer requests to the API.",
    labelNames: ["method", "route"],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
    registers,
  });
  const refusedTokens = new Counter({
    name: "gatewright_http_refused_tokens_total",
    help: "Tokens that calls of the API showed and that are not valid, or were not read since too many of that address were not.",
    labelNames: ["outcome"],
    registers,
  });
  for (const outcome of ["invalid", "unread"]) refusedTokens.inc({ outcome }, 0);
  return { requests, duration, refusedTokens };
}
