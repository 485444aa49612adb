import type { IngressRule } from "../model/api.ts";
import type { Handler, PolicySet, ReverseProxyHandler } from "./caddy-json.ts";
import { policyKey } from "./digest.ts";
import { hstsHandlers } from "./hsts.ts";
import { errorPages } from "./policies/error-pages.ts";
import type { PolicyHandler } from "./policies/handler-json.ts";
import { requestHeaderOps } from "./policies/headers.ts";
import { isPool, loadBalancing, longestWakeMs } from "./policies/load-balancing.ts";
import { modulesOf } from "./policies/modules.ts";
import { renderPolicies } from "./policies/policies.ts";
import type { CompilerSettings } from "./settings.ts";
import { transportOf } from "./upstream-transport.ts";

/** A policy set with the key that routes name it by. */
export interface KeyedPolicySet {
  readonly key: string;
  readonly set: PolicySet;
}

/** Bounds of what is remembered: policies come and go for as long as the process runs. */
const MOST_REMEMBERED = 10_000;
const LONGEST_REMEMBERED = 2_048;

/** The rendered sets of one settings object, so that a hundred thousand equal rules hash one of them once. */
const rendered = new WeakMap<CompilerSettings, Map<string, KeyedPolicySet>>();

/**
 * The handlers that a rule's requests run through after the dispatcher.
 * What differs from rule to rule without changing the handlers (host, path, target, header secret) stays in the
 * route, so that rules with equal policies share one set.
 */
export function policySetOf(rule: IngressRule, settings: CompilerSettings): KeyedPolicySet {
  const known = rendered.get(settings) ?? new Map<string, KeyedPolicySet>();
  rendered.set(settings, known);
  const policies = JSON.stringify(policiesOf(rule));
  let policySet = known.get(policies);
  if (policySet === undefined) {
    const set = renderSet(rule, settings);
    policySet = { key: policyKey(set), set };
    if (policies.length <= LONGEST_REMEMBERED) {
      if (known.size >= MOST_REMEMBERED) known.clear();
      known.set(policies, policySet);
    }
  }
  return policySet;
}

/** A policy that needs Caddy modules which the running Caddy lacks. */
export interface LackingPolicy {
  readonly policy: string;
  readonly modules: readonly string[];
}

/** The policies of a rule that cannot be served by a Caddy with these modules. */
export function lackingPolicies(rule: IngressRule, settings: CompilerSettings): readonly LackingPolicy[] {
  const { modules } = settings;
  if (modules === undefined || rule.policies === undefined) return [];
  return renderPolicies(rule, settings)
    .map(({ policy, handlers }) => ({
      policy,
      modules: modulesOf(handlers).filter((id) => !modules.includes(id)),
    }))
    .filter((lacking) => lacking.modules.length > 0);
}

/** The part of a rule that its handlers depend on. */
function policiesOf(rule: IngressRule): readonly unknown[] {
  const { policies, upstream, match } = rule;
  // Only here do the handlers have the rule's own path.
  const path = policies?.rewrite?.replace_prefix === undefined ? undefined : match.path?.value;
  return [policies, upstream, path, rule.tls_options?.hsts, longestWakeMs(rule), isPool(rule)];
}

function renderSet(rule: IngressRule, settings: CompilerSettings): PolicySet {
  const lacking = lackingPolicies(rule, settings).flatMap(({ modules }) => modules);
  // A stored rule may meet a Caddy without the modules: closed, since a policy must not fail open.
  if (lacking.length > 0) return { handle: [unserved(lacking)] };
  const pages = errorPages(rule.policies?.error_pages);
  const handle: readonly Handler[] = [
    ...hstsHandlers(rule),
    ...renderPolicies(rule, settings).flatMap(({ handlers }) => handlers),
    reverseProxy(rule, settings),
  ];
  return { handle, ...(pages === undefined ? {} : { error_pages: pages }) };
}

function unserved(modules: readonly string[]): PolicyHandler {
  return {
    handler: "gatewright_refuse",
    status: 503,
    reason: `the running Caddy lacks the modules ${modules.join(", ")}`,
  };
}

function reverseProxy(rule: IngressRule, settings: CompilerSettings): ReverseProxyHandler {
  const request = requestHeaderOps(rule.policies?.headers?.request, rule.upstream);
  return {
    handler: "reverse_proxy",
    ...loadBalancing(rule),
    stream_close_delay: "24h",
    ...(request === undefined ? {} : { headers: { request } }),
    transport: transportOf(rule, settings),
  };
}
