import { Router } from "express";
import type { Gateway } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { sendJson } from "./wire.ts";

/** The gateways that share a store, this one among them. Rejects with `store_unavailable`. */
export type GatewaySource = () => Promise<readonly Gateway[]>;

/** `/gateways`. */
export function gatewayRoutes(gateways: GatewaySource, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = { scope: "admin:read", failure: "failed to list the gateways" } as const;
  router
    .route("/gateways")
    .get(
      operation(context, options, async ({ response }) => {
        sendJson(response, 200, await gateways());
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}
