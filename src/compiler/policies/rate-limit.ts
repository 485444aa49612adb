import type { RateLimitPolicy } from "../../model/api.ts";
import type { LimitKeyHandler, PolicyHandler } from "./handler-json.ts";
import { outsideNetworks } from "./networks.ts";

/**
 * 429 for requests beyond the rate. The module counts in a sliding window: `burst` events in the time that they take
 * at the given rate are that rate with that burst.
 *
 * The zone is named by these two numbers: rules with the same limit share it, apart by the rule in the key, and
 * their counts outlive a reload, as the module keeps zones by name.
 */
export function rateLimitHandlers(policy: RateLimitPolicy): readonly PolicyHandler[] {
  const { requests_per_second: rate, key = "client_ip", exempt } = policy;
  const burst = policy.burst ?? defaultBurst(rate);
  // Nanoseconds, so that the window is exact where the quotient is not.
  const window = `${Math.max(1, Math.round((burst / rate) * 1e9))}ns`;
  return [
    limitKey(key),
    {
      handler: "rate_limit",
      rate_limits: {
        [`${burst}/${window}`]: {
          ...(exempt === undefined ? {} : { match: [outsideNetworks(exempt)] }),
          key: "{http.vars.gatewright.limit_key}",
          window,
          max_events: burst,
        },
      },
    },
  ];
}

/** One second's worth, at least one request. */
export function defaultBurst(requestsPerSecond: number): number {
  return Math.max(1, Math.ceil(requestsPerSecond));
}

function limitKey(key: string): LimitKeyHandler {
  if (key === "rule") return { handler: "gatewright_limit_key", rule: true };
  if (key.startsWith("header:")) {
    return { handler: "gatewright_limit_key", header: key.slice("header:".length).toLowerCase() };
  }
  return { handler: "gatewright_limit_key" };
}
