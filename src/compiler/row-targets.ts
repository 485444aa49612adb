import { isIPv6 } from "node:net";
import type { IngressRule, IngressTarget } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { targetsOf } from "../model/target.ts";
import type { RowTarget } from "./row.ts";

const DEFAULT_PAUSE_MS = 30_000;
const DEFAULT_WAKE_MS = 30_000;
const DNS_PORT = 53;

/** The targets of a rule as a row of the host table has them. */
export function rowTargets(rule: IngressRule): readonly RowTarget[] {
  return targetsOf(rule).map(rowTarget);
}

function rowTarget(target: IngressTarget): RowTarget {
  const { instance, service, address, resolvers, port, weight, mode, pause_timeout, wake, wake_timeout } =
    target;
  return {
    ...(instance === undefined ? {} : { instance }),
    ...(service === undefined ? {} : { service }),
    ...(address === undefined ? {} : { address }),
    ...(resolvers === undefined ? {} : { resolvers: resolvers.map(withPort) }),
    port,
    ...(weight === undefined ? {} : { weight }),
    ...(mode === undefined || mode === "active" ? {} : { mode }),
    ...(mode === "pause" ? { pause_ms: durationMs(pause_timeout ?? "") ?? DEFAULT_PAUSE_MS } : {}),
    ...(wake === true ? { wake_ms: durationMs(wake_timeout ?? "") ?? DEFAULT_WAKE_MS } : {}),
  };
}

function withPort(resolver: string): string {
  if (isIPv6(resolver)) return `[${resolver}]:${DNS_PORT}`;
  return resolver.includes(":") ? resolver : `${resolver}:${DNS_PORT}`;
}
