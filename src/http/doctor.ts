import { Router } from "express";
import type { Finding } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { sendJson } from "./wire.ts";

/** Looks at everything that could keep requests from being served. */
export type DoctorSource = () => Promise<readonly Finding[]>;

/** `/doctor`. */
export function doctorRoutes(diagnose: DoctorSource, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = { scope: "admin:read", failure: "failed to look at this Gatewright" } as const;
  router
    .route("/doctor")
    .get(
      operation(context, options, async ({ response }) => {
        sendJson(response, 200, await diagnose());
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}
