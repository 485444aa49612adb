import type { AccessPolicy } from "../../model/api.ts";
import type { HandlerRoute, PolicyHandler } from "./handler-json.ts";
import { fromNetworks, outsideNetworks } from "./networks.ts";

const refuse: PolicyHandler = {
  handler: "gatewright_refuse",
  status: 403,
  reason: "the client's address is not allowed",
};

/** 403 for clients in `deny`, then for those outside `allow`. */
export function accessHandlers({ allow, deny }: AccessPolicy): readonly PolicyHandler[] {
  const routes: HandlerRoute[] = [];
  if (deny !== undefined) routes.push({ match: [fromNetworks(deny)], handle: [refuse] });
  if (allow !== undefined) routes.push({ match: [outsideNetworks(allow)], handle: [refuse] });
  return [{ handler: "subroute", routes }];
}
