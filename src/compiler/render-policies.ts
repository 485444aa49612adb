import type { PolicySet } from "../caddy-json/config.ts";
import type { HeaderOps, PolicyHandler } from "../caddy-json/handlers.ts";
import { modulesOf } from "../caddy-json/modules.ts";
import type { IngressRule } from "../model/api.ts";
import { policiesOf, policyField, policyValue, steps } from "../policies/index.ts";
import type { CompilerSettings } from "./settings.ts";

/** A handler before the proxy, and the key of the policy that it is of; `always` where every rule has it. */
export interface HandlerOfPolicy {
  readonly policy: string;
  readonly handler: PolicyHandler;
}

/** What a rule's requests run through before the proxy. */
export function policyHandlers(rule: IngressRule, settings: CompilerSettings): readonly PolicyHandler[] {
  return handlersOfPolicies(rule, settings).map(({ handler }) => handler);
}

/** The same, each with its policy. */
export function handlersOfPolicies(
  rule: IngressRule,
  settings: CompilerSettings,
): readonly HandlerOfPolicy[] {
  return steps.flatMap((step) => {
    if ("always" in step) return step.always.map((handler) => ({ policy: "always", handler }));
    const value = policyValue(rule, step);
    const handlers = value === undefined ? [] : (step.handlers?.(value, rule, settings) ?? []);
    return handlers.map((handler) => ({ policy: step.key, handler }));
  });
}

/** What the dispatcher is told beside the handlers. */
export function policyFields(rule: IngressRule): Omit<PolicySet, "handle"> {
  return Object.assign({}, ...policiesOf(rule).map(([policy, value]) => policy.set?.(value, rule)));
}

/** What the proxy changes of request headers. */
export function requestHeaders(rule: IngressRule): HeaderOps {
  return Object.assign({}, ...policiesOf(rule).map(([policy, value]) => policy.requestHeaders?.(value)));
}

/** A policy that needs Caddy modules which the running Caddy lacks. */
export interface LackingPolicy {
  /** The field of the rule that holds it. */
  readonly field: string;
  readonly modules: readonly string[];
}

/** The policies of a rule that cannot be served by a Caddy with these modules. */
export function lackingPolicies(rule: IngressRule, settings: CompilerSettings): readonly LackingPolicy[] {
  const { modules } = settings;
  if (modules === undefined) return [];
  return policiesOf(rule).flatMap(([policy, value]) => {
    const handlers = policy.handlers?.(value, rule, settings) ?? [];
    const needed = [...modulesOf(handlers), ...(policy.modules?.(value) ?? [])];
    const lacking = [...new Set(needed)].filter((id) => !modules.includes(id)).sort();
    return lacking.length === 0 ? [] : [{ field: policyField(policy), modules: lacking }];
  });
}
