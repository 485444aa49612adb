import type { HandlerRoute, RefuseHandler, SubrouteHandler } from "../caddy-json/handlers.ts";
import { fromNetworks, networkProblems, outsideNetworks, withNetworks } from "./networks.ts";
import type { Policy } from "./policy.ts";

const refuse: RefuseHandler = {
  handler: "gatewright_refuse",
  status: 403,
  reason: "the client's address is not allowed",
  policy: "access",
};

/** 403 for clients in `deny`, then for those outside `allow`. */
export const access: Policy<"access"> = {
  key: "access",
  onLayer4: true,
  problems({ allow, deny }, report) {
    networkProblems(allow, "allow", report);
    networkProblems(deny, "deny", report);
  },
  normalize: (value) => withNetworks(value, ["allow", "deny"]),
  handlers({ allow, deny }) {
    const routes: HandlerRoute[] = [];
    if (deny !== undefined) routes.push({ match: [fromNetworks(deny)], handle: [refuse] });
    if (allow !== undefined) routes.push({ match: [outsideNetworks(allow)], handle: [refuse] });
    const handler: SubrouteHandler = { handler: "subroute", routes };
    return [handler];
  },
};
