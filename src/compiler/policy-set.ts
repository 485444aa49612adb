import type { PolicySet, ReverseProxyHandler } from "../caddy-json/config.ts";
import type { RefuseHandler } from "../caddy-json/handlers.ts";
import { literal } from "../caddy-json/literal.ts";
import type { IngressRule, Upstream } from "../model/api.ts";
import { policiesOf } from "../policies/index.ts";
import { policyKey } from "./digest.ts";
import { hstsHandlers } from "./hsts.ts";
import { isPool, loadBalancing, longestWakeMs } from "./load-balancing.ts";
import {
  handlersOfPolicies,
  lackingPolicies,
  policyFields,
  policyHandlers,
  requestHeaders,
} from "./render-policies.ts";
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
  const inputs = JSON.stringify(inputsOf(rule));
  let policySet = known.get(inputs);
  if (policySet === undefined) {
    const set = renderSet(rule, settings);
    policySet = { key: policyKey(set), set };
    if (inputs.length <= LONGEST_REMEMBERED) {
      if (known.size >= MOST_REMEMBERED) known.clear();
      known.set(inputs, policySet);
    }
  }
  return policySet;
}

/** The part of a rule that its handlers depend on. */
function inputsOf(rule: IngressRule): readonly unknown[] {
  const policies = policiesOf(rule);
  return [
    rule.policies,
    // Their values are secrets, which stay in the row: handlers depend on there being one.
    policies.flatMap(([{ key, inRule }]) => (inRule === true ? [key] : [])),
    rule.upstream,
    policies.some(([policy, value]) => policy.usesPath?.(value) === true)
      ? rule.match.path?.value
      : undefined,
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

/** Which policy each handler of a rule's policy set is of, in their order. */
export function policiesOfHandlers(rule: IngressRule, settings: CompilerSettings): readonly string[] {
  if (lackingPolicies(rule, settings).length > 0) return ["always"];
  return [
    ...hstsHandlers(rule).map(() => "hsts"),
    ...handlersOfPolicies(rule, settings).map(({ policy }) => policy),
    "proxy",
  ];
}

function unserved(modules: readonly string[]): RefuseHandler {
  return {
    handler: "gatewright_refuse",
    status: 503,
    policy: "lacking",
    reason: `the running Caddy lacks the modules ${modules.join(", ")}`,
  };
}

function reverseProxy(rule: IngressRule, settings: CompilerSettings): ReverseProxyHandler {
  const host = hostOf(rule.upstream);
  const changes = requestHeaders(rule);
  const request = host === undefined ? changes : { ...changes, set: { Host: [host], ...changes.set } };
  return {
    handler: "reverse_proxy",
    ...loadBalancing(rule),
    ...(Object.keys(request).length === 0 ? {} : { headers: { request } }),
    transport: transportOf(rule, settings),
  };
}

/** Over TLS Caddy would send the dialled address for a host; undefined: what the client sent goes on by itself. */
function hostOf(upstream: Upstream | undefined): string | undefined {
  if (upstream?.host_header !== undefined) return literal(upstream.host_header);
  return upstream?.scheme === "https" ? "{http.request.hostport}" : undefined;
}
