import type { RefuseHandler, SubrouteHandler } from "../caddy-json/handlers.ts";
import { networkProblems, outsideNetworks, withNetworks } from "./networks.ts";
import type { Policy } from "./policy.ts";

const DEFAULT_MESSAGE = "This site is under maintenance and will be back soon.";
/** Seconds after which clients may try again; crawlers take 503 with it for a short absence. */
const RETRY_AFTER_SECONDS = 60;

/** 503 for everybody but the exempt. */
export const maintenance: Policy<"maintenance"> = {
  key: "maintenance",
  problems: ({ exempt }, report) => networkProblems(exempt, "exempt", report),
  normalize: (value) => withNetworks(value, ["exempt"]),
  handlers({ message = DEFAULT_MESSAGE, exempt }) {
    const refuse: RefuseHandler = {
      handler: "gatewright_refuse",
      status: 503,
      message,
      reason: "maintenance",
      policy: "maintenance",
      retry_after: RETRY_AFTER_SECONDS,
    };
    if (exempt === undefined) return [refuse];
    const routes = [{ match: [outsideNetworks(exempt)], handle: [refuse] }];
    const handler: SubrouteHandler = { handler: "subroute", routes };
    return [handler];
  },
};
