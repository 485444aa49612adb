import type { Problem } from "../errors.ts";
import type { LoadBalancingPolicy } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { TOKEN } from "../model/http-token.ts";
import { ruleField } from "../model/wording.ts";

const LONGEST_WAIT_MS = 600_000;

/** The problems of `policies.load_balancing` beyond its schema. */
export function loadBalancingProblems(policy: LoadBalancingPolicy, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  const refuse = (part: keyof LoadBalancingPolicy, reason: string): void => {
    const field = `policies.load_balancing.${part}`;
    const message = `${field} in rule ${ruleIndex} ${reason}`;
    problems.push({ code: "invalid_value", field: ruleField(ruleIndex, field), message });
  };
  for (const key of ["header", "cookie"] as const) {
    const name = policy[key];
    if (name !== undefined && policy.policy !== key) refuse(key, `needs policy "${key}"`);
    else if (name !== undefined && !TOKEN.test(name)) refuse(key, `is not a name of a ${key}`);
  }
  if (policy.policy === "header" && policy.header === undefined)
    refuse("header", "is missing: name the request header that decides");
  if (policy.try_duration !== undefined) {
    const ms = durationMs(policy.try_duration);
    if (ms === undefined || ms > LONGEST_WAIT_MS)
      refuse("try_duration", "must be a time such as 500ms or 5s, at most 10m");
  }
  return problems;
}
