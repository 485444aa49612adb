import { Router } from "express";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { GatewayIngressStatus, Ingress } from "../model/api.ts";
import type { StatusBoard } from "../status/status-board.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { enumParameter } from "./query.ts";
import { findOne, referenceOf } from "./reference.ts";
import { sendJson } from "./wire.ts";

/** What other gateways make of an ingress. Rejects with `store_unavailable`. */
export type StatusElsewhere = (ingress: Ingress) => Promise<readonly GatewayIngressStatus[]>;

export interface StatusSources {
  readonly board: Pick<StatusBoard, "statusOf">;
  /** Default: there are no other gateways. */
  readonly elsewhere?: StatusElsewhere | undefined;
}

/** `/ingresses/{id}/status`. */
export function statusRoutes(
  manager: Pick<IngressManager, "of">,
  { board, elsewhere = async () => [] }: StatusSources,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "ingress:read",
    failure: "failed to get the status of the ingress",
    ownOnly: true,
    query: ["gateways"],
  } as const;
  router
    .route("/ingresses/:id/status")
    .get(
      operation(context, options, async ({ request, response, query, caller }) => {
        const ofAll = enumParameter(query, "gateways", ["all"]) === "all";
        const { ingress } = await findOne(() => manager.of(caller).find(referenceOf(request)));
        const [status, gateways] = await Promise.all([
          board.statusOf(ingress),
          ofAll ? elsewhere(ingress) : undefined,
        ]);
        sendJson(response, 200, gateways === undefined ? status : { ...status, gateways });
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}
