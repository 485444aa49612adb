import { Router } from "express";
import type { Explainer } from "../explain/explainer.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { bodyOperation, type OperationContext } from "./operation.ts";
import { sendJson } from "./wire.ts";

/** `/explain`. */
export function explainRoutes(
  explainer: Pick<Explainer, "explain">,
  manager: Pick<IngressManager, "of">,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "ingress:read",
    failure: "failed to explain the request",
    schema: "ExplainRequest",
    ownOnly: true,
  } as const;
  router
    .route("/explain")
    .post(
      bodyOperation(context, options, async ({ response, body, caller }) => {
        const own = caller.limits === undefined ? undefined : manager.of(caller);
        sendJson(response, 200, await explainer.explain(body, own));
      }),
    )
    .all(methodNotAllowed(["POST"]));
  return router;
}
