import type { IngressRule, IngressRuleInput, Policies } from "../model/api.ts";
import { access } from "./access.ts";
import { accessLog } from "./access-log.ts";
import { basicAuth } from "./basic-auth.ts";
import { compress } from "./compress.ts";
import { errorPages } from "./error-pages.ts";
import { forwardAuth } from "./forward-auth.ts";
import { headers } from "./headers.ts";
import { maintenance } from "./maintenance.ts";
import { maxRequestBody } from "./max-request-body.ts";
import type { FixedStep, Policy, PolicyKey, PolicyValue, PolicyValues } from "./policy.ts";
import { rateLimit } from "./rate-limit.ts";
import { requestHeaderAuth } from "./request-header-auth.ts";
import { rewrite } from "./rewrite.ts";
import { uncleanPaths } from "./unclean-paths.ts";

/** What the instance and forward auth are told about the client. */
const clientHeaders: FixedStep = { always: [{ handler: "gatewright_forwarded" }] };

/** In the order in which requests pass through; what one refuses, the next never sees. */
export const steps: readonly (Policy | FixedStep)[] = [
  accessLog,
  uncleanPaths,
  access,
  rateLimit,
  maintenance,
  requestHeaderAuth,
  clientHeaders,
  basicAuth,
  forwardAuth,
  headers,
  compress,
  maxRequestBody,
  rewrite,
  errorPages,
];

/** The policies among the steps. */
export const policies: readonly Policy[] = steps.filter((step) => "key" in step);

type PolicyHolder = Pick<IngressRule | IngressRuleInput, "policies" | "request_header_auth">;

/** What a rule says of a policy; undefined when it says nothing. */
export function policyValue(rule: PolicyHolder, { key, inRule }: Policy): PolicyValue<PolicyKey> | undefined {
  const values: PolicyValues | undefined = inRule === true ? rule : rule.policies;
  return values?.[key];
}

/** The policies that a rule has, with what it says of each, in their order. */
export function policiesOf(rule: PolicyHolder): readonly (readonly [Policy, PolicyValue<PolicyKey>])[] {
  return policies.flatMap((policy) => {
    const value = policyValue(rule, policy);
    return value === undefined ? [] : [[policy, value] as const];
  });
}

/** The field of a rule that holds a policy: `policies.access`. */
export function policyField({ key, inRule }: Policy): string {
  return inRule === true ? key : `policies.${key}`;
}

/** The values of a rule's policies in their one form; those that shape the proxy stay as they are. */
export function normalizePolicies(values: Policies): Policies {
  const changed = policiesOf({ policies: values }).flatMap(([{ key, normalize }, value]) =>
    normalize === undefined ? [] : [[key, normalize(value)] as const],
  );
  return changed.length === 0 ? values : { ...values, ...Object.fromEntries(changed) };
}
