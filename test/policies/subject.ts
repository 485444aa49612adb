import type { PolicyHandler } from "../../src/caddy-json/handlers.ts";
import type { IngressRule, IngressRuleInput } from "../../src/model/api.ts";
import { policies } from "../../src/policies/index.ts";
import type { Policy, PolicyKey, PolicyValue } from "../../src/policies/policy.ts";
import { Report } from "../../src/policies/report.ts";

export const rule: IngressRule = {
  match: { hostname: "a.test", port: 80 },
  target: { instance: "web", port: 80 },
  tls: false,
  redirect_http: false,
};
export const settings = {
  resolver: { address: "127.0.0.1:5353", zone: "vm.internal" },
  timeouts: { connect: "3s" },
};

export function policyOf<Key extends PolicyKey>(key: Key): Policy<Key> {
  return policies.find((one) => one.key === key) as Policy<Key>;
}

/** Parts and messages of the problems of a value. */
export function problemsOf<Key extends PolicyKey>(
  key: Key,
  value: PolicyValue<Key>,
  match: IngressRuleInput["match"] = {},
): Record<string, string> {
  const report = new Report(0);
  policyOf(key).problems?.(value, report, { match });
  return Object.fromEntries(
    report.problems.map(({ field = "", message }) => [
      field.replace("rules[0].", ""),
      message.replace(/^invalid .*? in rule 0: /, ""),
    ]),
  );
}

export function handlersOf<Key extends PolicyKey>(
  key: Key,
  value: PolicyValue<Key>,
  more: Partial<IngressRule> = {},
): readonly PolicyHandler[] {
  return policyOf(key).handlers?.(value, { ...rule, ...more }, settings) ?? [];
}
