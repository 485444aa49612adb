import { Router } from "express";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { StatusBoard } from "../status/status-board.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { findOne, referenceOf } from "./reference.ts";
import { sendJson } from "./wire.ts";

/** `/ingresses/{id}/status`. */
export function statusRoutes(
  manager: Pick<IngressManager, "of">,
  board: Pick<StatusBoard, "statusOf">,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "ingress:read",
    failure: "failed to get the status of the ingress",
    ownOnly: true,
  } as const;
  router
    .route("/ingresses/:id/status")
    .get(
      operation(context, options, async ({ request, response, caller }) => {
        const { ingress } = await findOne(() => manager.of(caller).find(referenceOf(request)));
        sendJson(response, 200, await board.statusOf(ingress));
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}
