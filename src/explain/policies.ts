import type { RehearsedStep } from "../caddy/caddy-api.ts";
import type { ExplainedPolicy } from "../model/api.ts";

/**
 * What the policies of a rule made of a request: the handlers' steps under the names of their policies, one for each.
 * @param names of the handlers' policies, in their order; undefined when they are not those of the stored rule
 */
export function policyVerdicts(
  steps: readonly RehearsedStep[],
  names: readonly string[] | undefined,
): readonly ExplainedPolicy[] {
  const verdicts: ExplainedPolicy[] = [];
  for (const [index, { handler, ...step }] of steps.entries()) {
    const verdict = { policy: names?.[index] ?? handler, ...step };
    const before = verdicts.at(-1);
    // A policy of two handlers says what both say; the last one decides.
    if (before?.policy === verdict.policy) verdicts[verdicts.length - 1] = { ...before, ...verdict };
    else verdicts.push(verdict);
  }
  return verdicts.filter(
    ({ policy, verdict }) => verdict !== "passed" || (policy !== "always" && policy !== "proxy"),
  );
}
