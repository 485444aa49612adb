import { type Request, Router } from "express";
import { GatewrightError } from "../errors.ts";
import type { TrafficMode } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { TrafficControl } from "../targets/targets.ts";
import { methodNotAllowed } from "./error-handler.ts";
import type { InstanceSources } from "./instances.ts";
import { bodyOperation, type OperationContext, operation } from "./operation.ts";
import { type Own, ownOf } from "./own.ts";
import { findInstance, referenceOf } from "./reference.ts";
import { sendJson } from "./wire.ts";

const LONGEST_PAUSE_MS = 600_000;

/** `/instances/{id}/traffic`. */
export function trafficRoutes(
  { manager, resolver }: Pick<InstanceSources, "manager" | "resolver">,
  traffic: TrafficControl,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const reading = {
    scope: "instance:read",
    failure: "failed to get the traffic of the instance",
    ownOnly: true,
  } as const;
  const writing = {
    scope: "instance:write",
    failure: "failed to set the traffic of the instance",
    changes: "instance",
    schema: "PutInstanceTrafficRequest",
  } as const;
  router
    .route("/instances/:id/traffic")
    .get(
      operation(context, reading, async ({ request, response, caller }) => {
        const own = ownOf(manager, caller);
        sendJson(response, 200, traffic.get(await nameOf(request, resolver, traffic, own)));
      }),
    )
    .put(
      bodyOperation(context, writing, async ({ request, response, body, by, settled }) => {
        const { mode, pause_timeout } = body;
        checkPause(mode, pause_timeout);
        const name = await nameOf(request, resolver, traffic);
        const present = await traffic.set(name, mode, pause_timeout, by);
        await settled();
        sendJson(response, 200, present);
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD", "PUT"]));
  return router;
}

function checkPause(mode: TrafficMode, timeout: string | undefined): void {
  if (timeout === undefined) return;
  if (mode !== "pause") throw badTraffic("pause_timeout", 'pause_timeout needs mode "pause"');
  const ms = durationMs(timeout);
  if (ms === undefined || ms > LONGEST_PAUSE_MS)
    throw badTraffic("pause_timeout", "pause_timeout must be a time such as 10s or 1m, at most 10m");
}

/** Name of the instance; one that is gone may still be paused, and is found by its whole name. */
async function nameOf(
  request: Request,
  resolver: Pick<InstanceResolver, "reference" | "list">,
  traffic: TrafficControl,
  own?: Own,
): Promise<string> {
  const reference = referenceOf(request);
  if (traffic.has(reference) && own?.hasInstance({ name: reference }) !== false) return reference;
  return (await findInstance(request, resolver, own)).name;
}

/** Refuses what the schema cannot. */
function badTraffic(field: string, message: string): GatewrightError {
  const details = [{ code: "invalid_value", field, message }] as const;
  return new GatewrightError("bad_request", `invalid request: ${message}`, { details });
}
