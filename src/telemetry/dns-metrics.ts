import type { Registry } from "prom-client";
import { addMetric } from "./add-metric.ts";

/** What the DNS server counts. */
export interface DnsMetricSource {
  readonly questions: readonly {
    readonly transport: string;
    readonly answer: string;
    readonly count: number;
  }[];
  /** By transport. */
  readonly dropped: { readonly [transport: string]: number };
  readonly cacheHits: number;
  readonly connections: number;
  readonly connectionsRefused: number;
}

/** Adds what the DNS server has counted. */
export function addDnsMetrics(registry: Registry, counts: () => DnsMetricSource): void {
  const counter = { isCounter: true };
  const questions = {
    ...counter,
    name: "dns_questions_total",
    help: "Answered questions to the DNS server, by transport and answer.",
    labelNames: ["transport", "answer"],
  };
  addMetric(registry, questions, () =>
    counts().questions.map(({ transport, answer, count }) => [count, { transport, answer }]),
  );
  const dropped = {
    ...counter,
    name: "dns_dropped_messages_total",
    help: "Messages to the DNS server that got no answer: no questions, too long, or a fault.",
    labelNames: ["transport"],
  };
  addMetric(registry, dropped, () =>
    Object.entries(counts().dropped).map(([transport, count]) => [count, { transport }]),
  );
  const hits = "Questions over UDP that were answered by a kept answer.";
  addMetric(registry, { ...counter, name: "dns_cache_hits_total", help: hits }, () => [[counts().cacheHits]]);
  addMetric(registry, { name: "dns_connections", help: "Open TCP connections of the DNS server." }, () => [
    [counts().connections],
  ]);
  const refused = "TCP connections to the DNS server that were closed at once, since too many were open.";
  addMetric(registry, { ...counter, name: "dns_connections_refused_total", help: refused }, () => [
    [counts().connectionsRefused],
  ]);
}
