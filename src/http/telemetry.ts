import { type Request, Router } from "express";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { ServerStatus } from "../model/api.ts";
import { type MetricType, metricTypes } from "../telemetry/exposition.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { CertificateParts } from "./certificates.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { ownOf } from "./own.ts";
import { ownStatus } from "./own-status.ts";
import { sendJson, sendText } from "./wire.ts";

/** What operators look at. */
export interface TelemetryParts {
  readonly status: () => ServerStatus;
  readonly metrics: Pick<Metrics, "text" | "observeRequest" | "observeRefusedToken">;
  readonly tracing: Tracing;
}

/** `/status` and `/metrics`. */
export function telemetryRoutes(
  { certificates, manager }: { readonly manager: IngressManager; readonly certificates?: CertificateParts },
  { status, metrics }: TelemetryParts,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/status")
    .get(
      operation(
        context,
        { scope: "admin:read", failure: "failed to get the status", ownOnly: true },
        ({ response, caller }) => {
          const own = ownOf(manager, caller);
          const all = status();
          const known = certificates?.report.known() ?? [];
          sendJson(response, 200, own === undefined ? all : ownStatus(all, known, own, manager.of(caller)));
        },
      ),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  router
    .route("/metrics")
    .get(
      operation(
        context,
        { scope: "admin:read", failure: "failed to get the metrics" },
        async ({ request, response }) => {
          const type = wantedType(request);
          response.setHeader("Vary", "Accept");
          sendText(response, 200, type, await metrics.text(type));
        },
      ),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}

/** What the client likes best (RFC 9110 section 12.5.1); whoever takes neither gets the plain text. */
function wantedType(request: Request): MetricType {
  const wanted = request.accepts([...metricTypes]);
  return metricTypes.find((type) => type === wanted) ?? metricTypes[0];
}
