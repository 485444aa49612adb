import { Router } from "express";
import type { Explainer } from "../explain/explainer.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { bodyOperation, type OperationContext } from "./operation.ts";
import { sendJson } from "./wire.ts";

/** `/explain`. */
export function explainRoutes(explainer: Pick<Explainer, "explain">, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "ingress:read",
    failure: "failed to explain the request",
    schema: "ExplainRequest",
  } as const;
  router
    .route("/explain")
    .post(
      bodyOperation(context, options, async ({ response, body }) => {
        sendJson(response, 200, await explainer.explain(body));
      }),
    )
    .all(methodNotAllowed(["POST"]));
  return router;
}
