import type { Registry } from "prom-client";
import type { MetricSource, NamedInMetrics } from "../caddy/caddy-api.ts";
import type { DrainingCaddy } from "../caddy/running-caddy.ts";
import type { DnsServer } from "../dns/server.ts";
import type { TelemetryParts } from "../http/telemetry.ts";
import type { Logger } from "../log.ts";
import type { Readiness } from "../manager/ingress-manager.ts";
import type { RunningManager } from "../manager/manager.ts";
import { caddyFamilies } from "../telemetry/caddy-families.ts";
import { addDnsMetrics } from "../telemetry/dns-metrics.ts";
import { addEtcdMetrics } from "../telemetry/etcd-metrics.ts";
import { addHealthMetrics } from "../telemetry/health-metrics.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { addOnDemandMetrics } from "../telemetry/on-demand-metrics.ts";
import type { Otlp } from "../telemetry/otlp/otlp.ts";
import { addSourceMetrics } from "../telemetry/source-metrics.ts";
import { noTracing } from "../telemetry/tracing.ts";
import type { Certificates } from "./certificates.ts";
import type { Instances } from "./instances.ts";
import type { SharedStore } from "./shared-store.ts";

export interface TelemetrySources {
  readonly api: MetricSource;
  readonly manager: Pick<RunningManager, "ingresses" | "caddyHealth" | "waitingChanges">;
  readonly instances: Pick<Instances, "resolver" | "source">;
  readonly dns: Pick<DnsServer, "counts">;
  /** Where metrics are added to. */
  readonly registry: Registry;
  readonly readiness: () => Readiness;
  readonly certificates: Pick<Certificates, "report" | "unserved" | "onDemand">;
  /** Absent: documents are in files. */
  readonly shared: Pick<SharedStore, "absence" | "upkeep"> | undefined;
  readonly draining: () => readonly DrainingCaddy[];
  readonly named: NamedInMetrics;
  /** Absent: nothing is exported. */
  readonly otlp: Pick<Otlp, "tracing" | "readFrom"> | undefined;
  readonly logger: Logger;
  readonly version: string;
}

/** `/status` and `/metrics` of this process. */
export function createTelemetry(sources: TelemetrySources): TelemetryParts {
  const { api, certificates, dns, draining, instances, logger, shared } = sources;
  const { manager, named, otlp, readiness, registry, version } = sources;
  const { onDemand, report, unserved } = certificates;
  const ingresses = (): number => manager.ingresses.size;
  const caddy = caddyFamilies({ ask: () => api.metrics(named), logger });
  const overview = (most: number) => report.overview(most);
  const metrics = createMetrics({ registry, version, ingresses, certificates: overview, caddy });
  addHealthMetrics(metrics.registry, {
    ready: () => readiness().ready,
    caddy: () => manager.caddyHealth(),
    unservedTlsRules: () => unserved.size,
    waitingChanges: () => manager.waitingChanges(),
    ...(shared === undefined ? {} : { storeUp: () => shared.absence() === undefined }),
  });
  if (shared !== undefined) addEtcdMetrics(metrics.registry, () => shared.upkeep.room);
  if (onDemand !== undefined) addOnDemandMetrics(metrics.registry, () => onDemand.answers);
  addDnsMetrics(metrics.registry, () => dns.counts());
  const { resolver, source } = instances;
  addSourceMetrics(metrics.registry, {
    instances: () => resolver.states(),
    ...(source === undefined ? {} : { source }),
  });
  otlp?.readFrom(metrics.families);
  return {
    metrics,
    tracing: otlp?.tracing ?? noTracing,
    status: () => {
      const problems = [...readiness().reasons, ...report.problems()];
      return {
        status: problems.length === 0 ? "ok" : "degraded",
        version,
        uptime_seconds: Math.floor(process.uptime()),
        ingresses: ingresses(),
        certificates: report.counts(),
        draining: draining().map(({ pid, since, until }) => ({ pid, since, until })),
        problems,
      };
    },
  };
}
