import type { Duration } from "../caddy-json/duration.ts";
import type { Matcher } from "../caddy-json/handlers.ts";
import { networkProblems, outsideNetworks, withNetworks } from "./networks.ts";
import type { Policy } from "./policy.ts";

const MAX_BURST_OF_CLIENT = 10_000;

/** github.com/mholt/caddy-ratelimit. */
interface RateLimitHandler {
  readonly handler: "rate_limit";
  readonly rate_limits: {
    readonly [zone: string]: {
      readonly match?: readonly Matcher[];
      readonly key: string;
      readonly window: Duration;
      readonly max_events: number;
    };
  };
}

/** What the limit counts by (caddy/policies/limit_key.go). */
interface LimitKeyHandler {
  readonly handler: "gatewright_limit_key";
  readonly header?: string;
  readonly rule?: true;
}

/**
 * 429 for requests beyond the rate. The module counts in a sliding window: `burst` events in the time that they take
 * at the given rate are that rate with that burst.
 *
 * The zone is named by these two numbers: rules with the same limit share it, apart by the rule in the key, and
 * their counts outlive a reload, as the module keeps zones by name.
 */
export const rateLimit: Policy<"rate_limit"> = {
  key: "rate_limit",
  problems({ key, burst, requests_per_second: rate, exempt }, report) {
    // The limiter keeps a time for each request of the burst, for each client that it counts.
    if (key !== "rule" && (burst ?? rate) > MAX_BURST_OF_CLIENT) {
      const [part, remedy] =
        burst === undefined ? ["requests_per_second", "set a burst"] : ["burst", "use a smaller one"];
      const reason = `a burst above ${MAX_BURST_OF_CLIENT} takes too much memory for each client; ${remedy}, or key "rule"`;
      report.refuse(part, reason, "out_of_range");
    }
    networkProblems(exempt, "exempt", report);
  },
  normalize: (value) => withNetworks(value, ["exempt"]),
  handlers({ requests_per_second: rate, key = "client_ip", exempt, burst = defaultBurst(rate) }) {
    // Nanoseconds, so that the window is exact where the quotient is not.
    const window = `${Math.max(1, Math.round((burst / rate) * 1e9))}ns`;
    const limit: RateLimitHandler = {
      handler: "rate_limit",
      rate_limits: {
        [`${burst}/${window}`]: {
          ...(exempt === undefined ? {} : { match: [outsideNetworks(exempt)] }),
          key: "{http.vars.gatewright.limit_key}",
          window,
          max_events: burst,
        },
      },
    };
    return [limitKey(key), limit];
  },
};

/** One second's worth, at least one request. */
function defaultBurst(requestsPerSecond: number): number {
  return Math.max(1, Math.ceil(requestsPerSecond));
}

function limitKey(key: string): LimitKeyHandler {
  if (key === "rule") return { handler: "gatewright_limit_key", rule: true };
  if (key.startsWith("header:")) {
    return { handler: "gatewright_limit_key", header: key.slice("header:".length).toLowerCase() };
  }
  return { handler: "gatewright_limit_key" };
}
