import type { Problem } from "../errors.ts";
import type { IngressRule } from "../model/api.ts";
import { planTls, type TlsSettings } from "../model/tls-plan.ts";
import { ruleField } from "../model/wording.ts";

export { isDomainAllowed } from "../model/allowed-domains.ts";
export type { TlsSettings } from "../model/tls-plan.ts";

/**
 * The problems of TLS rules with the settings, in hypeman's order and words. Rules are normalised ones; `undefined`
 * stands for a rule that is invalid by itself.
 */
export function tlsProblems(rules: readonly (IngressRule | undefined)[], settings: TlsSettings): Problem[] {
  return [...rules.entries()].flatMap(([index, rule]) => {
    if (rule?.tls !== true) return [];
    const plan = planTls(rule, settings);
    if (plan.kind !== "refused") return [];
    return [{ code: plan.code, field: ruleField(index, plan.field), message: plan.reason }];
  });
}
