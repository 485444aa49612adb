import { Router } from "express";
import type { ServerStatus } from "../model/api.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { sendJson, sendText } from "./wire.ts";

/** What operators look at. */
export interface TelemetryParts {
  readonly status: () => ServerStatus;
  readonly metrics: Pick<Metrics, "text" | "contentType" | "observeRequest">;
}

/** `/status` and `/metrics`. */
export function telemetryRoutes({ status, metrics }: TelemetryParts, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/status")
    .get(
      operation(context, { scope: "admin:read", failure: "failed to get the status" }, ({ response }) =>
        sendJson(response, 200, status()),
      ),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  router
    .route("/metrics")
    .get(
      operation(
        context,
        { scope: "admin:read", failure: "failed to get the metrics" },
        async ({ response }) => {
          sendText(response, 200, metrics.contentType, await metrics.text());
        },
      ),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}
