import type { Logger } from "../log.ts";
import type { EventSink } from "../model/event.ts";
import type { Health, HealthState } from "./checker.ts";

/** That the checks of an address have turned. */
export interface HealthTurn {
  /** `ip:port`. */
  readonly address: string;
  /** Ids of the rules that share the check. */
  readonly rules: readonly string[];
  readonly state: HealthState;
  readonly before: Health;
}

/** Rules that are named at the most. */
const MOST_NAMED = 10;

/** Tells the log and the events of an address that fails its checks, or passes them again; not of one that passes its first. */
export function reportHealth(
  { address, before, rules: all, state }: HealthTurn,
  logger: Logger,
  events: EventSink,
): void {
  const rules = all.slice(0, MOST_NAMED);
  const reason = state.message;
  const fields = { address, rules, reason };
  if (state.health === "unhealthy") {
    logger.warn("an instance fails its health check", fields);
    const message = `${address} fails its health check: ${reason}`;
    events.emit({ type: "target.unhealthy", message, data: fields });
  } else if (before === "unhealthy") {
    logger.info("an instance passes its health check again", fields);
    const message = `${address} passes its health check again`;
    events.emit({ type: "target.healthy", message, data: { address, rules } });
  }
}
