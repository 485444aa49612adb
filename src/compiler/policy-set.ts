import type { PolicySet, ReverseProxyHandler } from "../caddy-json/config.ts";
import type { RefuseHandler } from "../caddy-json/handlers.ts";
import type { IngressRule } from "../model/api.ts";
import { policies, policyValue } from "../policies/index.ts";
import { policyKey } from "./digest.ts";
import { hstsHandlers } from "./hsts.ts";
import { isPool, loadBalancing, longestWakeMs } from "./load-balancing.ts";
import { lackingPolicies, policyFields, policyHandlers } from "./render-policies.ts";
import { requestHeaderOps } from "./request-headers.ts";
import type { CompilerSettings } from "./settings.ts";
import { transportOf } from "./upstream-transport.ts";

/** A policy set with the key that rows name it by. */
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
 * row, so that rules with equal policies share one set.
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

/** Their values are secrets, which stay in the row: handlers depend on there being one. */
const inRules = policies.filter(({ inRule }) => inRule === true);

/** The part of a rule that its handlers depend on. */
function policiesOf(rule: IngressRule): readonly unknown[] {
  const usesPath = policies.some((policy) => {
    const value = policyValue(rule, policy);
    return value !== undefined && policy.usesPath?.(value) === true;
  });
  return [
    rule.policies,
    inRules.map((policy) => policyValue(rule, policy) !== undefined),
    rule.upstream,
    usesPath ? rule.match.path?.value : undefined,
    rule.tls_options?.hsts,
    longestWakeMs(rule),
    isPool(rule),
  ];
}

function renderSet(rule: IngressRule, settings: CompilerSettings): PolicySet {
  const lacking = lackingPolicies(rule, settings).flatMap(({ modules }) => modules);
  // A stored rule may meet a Caddy without the modules: closed, since a policy must not fail open.
  if (lacking.length > 0) return { handle: [unserved(lacking)] };
  const handle = [...hstsHandlers(rule), ...policyHandlers(rule, settings), reverseProxy(rule, settings)];
  return { handle, ...policyFields(rule) };
}

function unserved(modules: readonly string[]): RefuseHandler {
  return {
    handler: "gatewright_refuse",
    status: 503,
    reason: `the running Caddy lacks the modules ${modules.join(", ")}`,
  };
}

function reverseProxy(rule: IngressRule, settings: CompilerSettings): ReverseProxyHandler {
  const request = requestHeaderOps(rule);
  return {
    handler: "reverse_proxy",
    ...loadBalancing(rule),
    stream_close_delay: "24h",
    ...(request === undefined ? {} : { headers: { request } }),
    transport: transportOf(rule, settings),
  };
}
