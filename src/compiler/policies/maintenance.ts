import type { MaintenancePolicy } from "../../model/api.ts";
import type { PolicyHandler } from "./handler-json.ts";
import { outsideNetworks } from "./networks.ts";

const DEFAULT_MESSAGE = "This site is under maintenance and will be back soon.";
/** Seconds after which clients may try again; crawlers take 503 with it for a short absence. */
const RETRY_AFTER_SECONDS = 60;

/** 503 for everybody but the exempt. */
export function maintenanceHandlers(policy: MaintenancePolicy): readonly PolicyHandler[] {
  const refuse: PolicyHandler = {
    handler: "gatewright_refuse",
    status: 503,
    message: policy.message ?? DEFAULT_MESSAGE,
    reason: "maintenance",
    retry_after: RETRY_AFTER_SECONDS,
  };
  if (policy.exempt === undefined) return [refuse];
  return [{ handler: "subroute", routes: [{ match: [outsideNetworks(policy.exempt)], handle: [refuse] }] }];
}
