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
  /** caddy/etcdstorage: the counts of all gateways. Absent: this one's. */
  readonly distributed?: { readonly read_interval: Duration; readonly write_interval: Duration };
  readonly storage?: { readonly module: "gatewright_counts"; readonly zones: readonly string[] };
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
  handlers({ requests_per_second: rate, key = "client_ip", exempt, scope, burst = defaultBurst(rate) }) {
    // Nanoseconds, so that the window is exact where the quotient is not.
    const window = `${Math.max(1, Math.round((burst / rate) * 1e9))}ns`;
    const together = scope === "cluster";
    const zone = `${together ? "cluster/" : ""}${burst}/${window}`;
    const limit: RateLimitHandler = {
      handler: "rate_limit",
      ...(together ? countedTogether(zone, burst / rate) : {}),
      rate_limits: {
        [zone]: {
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

/** A tenth of the window is what others may be behind by; the module's clock does not go faster than ten times a second. */
function countedTogether(
  zone: string,
  windowSeconds: number,
): Pick<RateLimitHandler, "distributed" | "storage"> {
  const interval = `${Math.round(Math.min(1000, Math.max(100, windowSeconds * 100)))}ms`;
  return {
    distributed: { read_interval: interval, write_interval: interval },
    storage: { module: "gatewright_counts", zones: [zone] },
  };
}

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
