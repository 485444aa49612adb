import { isIP } from "node:net";
import type { Problem } from "../errors.ts";
import type { IngressRule, IngressRuleInput } from "../model/api.ts";
import { policiesOf, policyField } from "../policies/index.ts";
import { Report } from "../policies/report.ts";
import { type TargetGuard, targetRefusal } from "./target-guard.ts";

/** What is wrong with policies of a rule beyond the schema, in the order of the policies: those in the rule itself, or others. */
export function policyProblems(
  rule: IngressRuleInput,
  ruleIndex: number,
  { inRule }: { readonly inRule: boolean },
): Problem[] {
  return policiesOf(rule).flatMap(([policy, value]) => {
    if ((policy.inRule === true) !== inRule) return [];
    const report = new Report(ruleIndex, policyField(policy));
    policy.problems?.(value, report, rule);
    return report.problems;
  });
}

/**
 * Problems of servers that policies name by address. A name is checked by Caddy at each dial, by the address that it
 * then has.
 */
export function policyEndpointProblems(
  rules: readonly (IngressRule | undefined)[],
  guard: TargetGuard,
): Problem[] {
  return rules.flatMap((rule, ruleIndex) =>
    policiesOf(rule ?? {}).flatMap(([policy, value]) => {
      const report = new Report(ruleIndex, policyField(policy));
      for (const { part, host, port } of policy.endpoints?.(value) ?? []) {
        const address = host === "localhost" || host.endsWith(".localhost") ? "127.0.0.1" : host;
        const refused = isIP(address) === 0 ? undefined : targetRefusal(address, port, guard);
        if (refused !== undefined)
          report.refuse(part, `port ${port} of ${host} ${refused}`, "target_not_allowed");
      }
      return report.problems;
    }),
  );
}
