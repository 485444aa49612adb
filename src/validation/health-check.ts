import type { Problem } from "../errors.ts";
import type { HealthCheckPolicy } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { ruleField } from "../model/wording.ts";

/** Origin form of RFC 9112 section 3.2.1: visible ASCII, no fragment. */
const PATH = /^\/[!-"$-~]*$/;
const HOST = /^[A-Za-z0-9_.-]+(?::\d{1,5})?$|^\[[0-9a-fA-F:.]+\](?::\d{1,5})?$/;

/** The problems of `policies.health_check` beyond its schema. */
export function healthCheckProblems({ active, passive }: HealthCheckPolicy, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  const refuse = (part: string, reason: string): void => {
    const field = `policies.health_check.${part}`;
    const message = `${field} in rule ${ruleIndex} ${reason}`;
    problems.push({ code: "invalid_value", field: ruleField(ruleIndex, field), message });
  };
  const time = (part: string, text: string | undefined, [least, most]: readonly [string, string]): void => {
    const ms = text === undefined ? durationMs(least) : durationMs(text);
    if (ms === undefined || ms < (durationMs(least) ?? 0) || ms > (durationMs(most) ?? 0))
      refuse(part, `must be a time from ${least} to ${most}`);
  };
  if (active?.path !== undefined && !PATH.test(active.path))
    refuse("active.path", 'must begin with "/" and be visible ASCII without "#"; percent-encode the rest');
  if (active?.host !== undefined && !HOST.test(active.host))
    refuse("active.host", "must be a hostname, with or without a port");
  time("active.interval", active?.interval, ["100ms", "1h"]);
  time("active.timeout", active?.timeout, ["10ms", "1m"]);
  time("passive.fail_duration", passive?.fail_duration, ["100ms", "1h"]);
  return problems;
}
