import type { RefusalSource, StreamSource } from "../caddy/caddy-api.ts";
import type { CertificateReport } from "../certificates/report.ts";
import type { TelemetryParts } from "../http/telemetry.ts";
import type { Readiness } from "../manager/ingress-manager.ts";
import type { RunningManager } from "../manager/manager.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { addRefusalMetrics } from "../telemetry/refusal-metrics.ts";
import { addStreamMetrics } from "../telemetry/stream-metrics.ts";

export interface TelemetrySources {
  readonly api: RefusalSource & StreamSource;
  readonly manager: Pick<RunningManager, "ingresses">;
  readonly readiness: () => Readiness;
  readonly report: Pick<CertificateReport, "known" | "counts" | "problems">;
  readonly version: string;
}

/** `/status` and `/metrics` of this process. */
export function createTelemetry({
  api,
  manager,
  readiness,
  report,
  version,
}: TelemetrySources): TelemetryParts {
  const ingresses = (): number => manager.ingresses.size;
  const metrics = createMetrics({ version, ingresses, certificates: () => report.known() });
  addRefusalMetrics(metrics.registry, {
    refusals: () => api.refusals(),
    nameOf: (id) => manager.ingresses.get(id)?.name,
  });
  addStreamMetrics(metrics.registry, {
    streams: () => api.streams(),
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
        problems,
      };
    },
  };
}
