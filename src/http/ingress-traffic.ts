import { Router } from "express";
import type { TrafficMinute, TrafficWindows } from "../caddy-json/traffic.ts";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { IngressManager } from "../manager/ingress-manager.ts";
import type { IngressTraffic, TrafficHistory } from "../model/api.ts";
import { methodNotAllowed } from "./error-handler.ts";
import { type OperationContext, operation } from "./operation.ts";
import { findOne, referenceOf } from "./reference.ts";
import { sendJson } from "./wire.ts";

/** What counts the requests of ingresses. */
export interface TrafficSource {
  /** By id. Throws `caddy_unavailable`. */
  traffic(ingress: string): Promise<TrafficWindows>;
}

/** What has the traffic of all ingresses together. */
export interface TrafficHistorySource {
  /** The last sixty, the oldest first. Throws `caddy_unavailable`. */
  minutes(): Promise<readonly TrafficMinute[]>;
}

/** `/traffic`. */
export function trafficHistoryRoutes(source: TrafficHistorySource, context: OperationContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = { scope: "admin:read", failure: "failed to get the traffic" } as const;
  router
    .route("/traffic")
    .get(
      operation(context, options, async ({ response }) => {
        const minutes = await answered(() => source.minutes());
        const told = minutes.map(({ start, ...counts }) => ({
          at: new Date(start * 1000).toISOString(),
          ...counts,
        }));
        sendJson(response, 200, { minutes: told } satisfies TrafficHistory);
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}

/** `/ingresses/{id}/traffic`. */
export function ingressTrafficRoutes(
  manager: Pick<IngressManager, "of">,
  source: TrafficSource,
  context: OperationContext,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const options = {
    scope: "ingress:read",
    failure: "failed to get the traffic of the ingress",
    ownOnly: true,
  } as const;
  router
    .route("/ingresses/:id/traffic")
    .get(
      operation(context, options, async ({ request, response, caller }) => {
        const { ingress } = await findOne(() => manager.of(caller).find(referenceOf(request)));
        const { id, name } = ingress;
        const traffic: IngressTraffic = {
          id,
          name,
          windows: windowsOf(await answered(() => source.traffic(id))),
        };
        sendJson(response, 200, traffic);
      }),
    )
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}

async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    if (!isGatewrightError(cause, "caddy_unavailable")) throw cause;
    const message = "Caddy, which counts the requests, does not answer. Try again.";
    throw new GatewrightError("caddy_unavailable", message, { cause });
  }
}

/** The shortest first. Where nothing was answered there is no latency, which Caddy tells as 0. */
function windowsOf(windows: TrafficWindows): IngressTraffic["windows"] {
  return Object.entries(windows)
    .map(([seconds, { p50, p95, p99, targets, ...window }]) => ({
      ...window,
      seconds: Number(seconds),
      ...(window.requests === 0 ? {} : { p50, p95, p99 }),
      targets: targets.map(({ p95: answered, ...target }) =>
        answered === 0 ? target : { ...target, p95: answered },
      ),
    }))
    .sort((one, other) => one.seconds - other.seconds);
}
