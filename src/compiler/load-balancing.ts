import type { ReverseProxyHandler, UpstreamSource } from "../caddy-json/config.ts";
import type { IngressRule } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { targetKind, targetsOf } from "../model/target.ts";
import { rowTargets } from "./row-targets.ts";

/** Time between attempts that meet nothing but addresses that failed before; the upstream source keeps it. */
const ATTEMPT_MS = 250;

/**
 * How the upstream source chooses an address, and how often the proxy asks it again.
 * All state (turns, connections, failures) is the source's, by rule: Caddy's own counters end with every reload.
 */
export function loadBalancing(
  rule: IngressRule,
): Pick<ReverseProxyHandler, "dynamic_upstreams" | "load_balancing"> {
  const { policy, header, cookie, retries, try_duration } = rule.policies?.load_balancing ?? {};
  // One retry by default: the failed dial makes the source ask again, so that a moved instance is met within the
  // request. In a pool one more, as several may go at once. Never Caddy's own try_duration: its waits end with every reload.
  const usual = retries ?? Math.max(isPool(rule) ? 2 : 1, attemptsWithin(try_duration));
  const wakeMs = longestWakeMs(rule);
  const { active, passive } = rule.policies?.health_check ?? {};
  const source: UpstreamSource = {
    source: "gatewright",
    ...(policy === undefined || policy === "round_robin" ? {} : { policy }),
    ...(header === undefined ? {} : { header }),
    ...(cookie === undefined ? {} : { cookie }),
    ...(try_duration === undefined ? {} : { try_duration }),
    ...(wakeMs === 0 ? {} : { retries: usual }),
    ...(active === undefined ? {} : { health: true }),
    ...(passive === undefined
      ? {}
      : { passive: { max_fails: passive.max_fails ?? 1, fail_duration: passive.fail_duration ?? "30s" } }),
  };
  return {
    dynamic_upstreams: source,
    load_balancing: {
      ...(policy === "cookie" ? { selection_policy: { policy: "gatewright" } } : {}),
      // An instance that has just been started refuses connections for a while.
      retries: Math.max(usual, Math.ceil(wakeMs / ATTEMPT_MS)),
    },
  };
}

/** Whether a rule may have several addresses. */
export function isPool(rule: IngressRule): boolean {
  const targets = targetsOf(rule);
  return targets.length > 1 || targets.some((target) => targetKind(target) !== "instance");
}

/** How long a request may wait for a target of the rule to wake; 0 when none is woken. */
export function longestWakeMs(rule: IngressRule): number {
  return Math.max(0, ...rowTargets(rule).map(({ wake_ms = 0 }) => wake_ms));
}

function attemptsWithin(duration: string | undefined): number {
  const ms = duration === undefined ? 0 : (durationMs(duration) ?? 0);
  return Math.ceil(ms / ATTEMPT_MS);
}
