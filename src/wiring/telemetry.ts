import type { Layer4Source, MetricSource, RefusalSource } from "../caddy/caddy-api.ts";
import type { DrainingCaddy } from "../caddy/running-caddy.ts";
import type { TelemetryParts } from "../http/telemetry.ts";
import type { Logger } from "../log.ts";
import type { Follower } from "../manager/follower.ts";
import type { Readiness } from "../manager/ingress-manager.ts";
import type { RunningManager } from "../manager/manager.ts";
import { caddyFamilies } from "../telemetry/caddy-families.ts";
import { addHealthMetrics } from "../telemetry/health-metrics.ts";
import { addLayer4Metrics } from "../telemetry/layer4-metrics.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { addRefusalMetrics } from "../telemetry/refusal-metrics.ts";
import type { Certificates } from "./certificates.ts";

export interface TelemetrySources {
  readonly api: RefusalSource & Layer4Source & MetricSource;
  readonly manager: Pick<RunningManager, "ingresses" | "caddyHealth">;
  readonly readiness: () => Readiness;
  readonly certificates: Pick<Certificates, "report" | "unserved">;
  readonly follower: Pick<Follower, "reasons"> | undefined;
  readonly draining: () => readonly DrainingCaddy[];
  /** Ingresses with series of their own. */
  readonly metricsIngresses: number;
  readonly logger: Logger;
  readonly version: string;
}

/** `/status` and `/metrics` of this process. */
export function createTelemetry(sources: TelemetrySources): TelemetryParts {
  const { api, certificates, draining, follower, logger, manager, metricsIngresses, readiness, version } =
    sources;
  const { report, unserved } = certificates;
  const ingresses = (): number => manager.ingresses.size;
  const caddy = caddyFamilies({ ask: () => api.metrics(metricsIngresses), logger });
  const metrics = createMetrics({ version, ingresses, certificates: () => report.known(), caddy });
  addHealthMetrics(metrics.registry, {
    ready: () => readiness().ready,
    caddy: () => manager.caddyHealth(),
    unservedTlsRules: () => unserved.size,
    ...(follower === undefined ? {} : { followed: () => follower.reasons().length === 0 }),
  });
  addRefusalMetrics(metrics.registry, {
    refusals: () => api.refusals(),
    nameOf: (id) => manager.ingresses.get(id)?.name,
  });
  addLayer4Metrics(metrics.registry, {
    layer4: () => api.layer4(),
    nameOf: (id) => manager.ingresses.get(id)?.name,
  });
  return {
    metrics,
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
