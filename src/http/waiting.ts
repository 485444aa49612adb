import type { Request } from "express";
import { durationMs } from "../model/duration.ts";
import { badParameter, enumParameter } from "./query.ts";

/** Waits until all gateways serve what this one does; returns the names of those that are late. */
export type Settle = (limitMs: number) => Promise<readonly string[]>;

/** How waiting for other gateways is listed among an operation's query keys. */
export const WAITING = ["wait", "wait_timeout"] as const;

/** The header that names the gateways which do not serve a change yet. */
export const LATE_HEADER = "Gatewright-Late";

const DEFAULT_MS = 10_000;
const LONGEST_MS = 60_000;

/**
 * What `?wait=all` makes of the moment between a change and its answer. Throws `Bad Request` for a time that is none, or too
 * long.
 */
export function waiting(
  { res }: Pick<Request, "res">,
  query: URLSearchParams,
  settled: Settle = async () => [],
): () => Promise<void> {
  const isWanted = enumParameter(query, "wait", ["all"]) === "all";
  const limit = query.get("wait_timeout");
  const limitMs = limit === null ? DEFAULT_MS : durationMs(limit);
  if (limit !== null && !isWanted) throw badParameter("wait_timeout", "it needs wait=all");
  if (limitMs === undefined || limitMs > LONGEST_MS)
    throw badParameter("wait_timeout", "it must be a time such as 500ms or 30s, at most 60s");
  return async () => {
    if (!isWanted) return;
    const late = await settled(limitMs);
    if (late.length > 0) res?.setHeader(LATE_HEADER, late.join(", "));
  };
}
