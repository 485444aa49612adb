import type { IngressRule } from "../model/api.ts";
import type { PolicySet } from "./caddy-json.ts";
import { policyKey } from "./digest.ts";
import type { CompilerSettings } from "./settings.ts";

/** A policy set with the key that routes name it by. */
export interface KeyedPolicySet {
  readonly key: string;
  readonly set: PolicySet;
}

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
    const set = { handle: [reverseProxy(settings)] };
    policySet = { key: policyKey(set), set };
    known.set(policies, policySet);
  }
  return policySet;
}

/** The part of a rule that its handlers depend on. */
function policiesOf(_rule: IngressRule): readonly unknown[] {
  return [];
}

function reverseProxy(settings: CompilerSettings): PolicySet["handle"][number] {
  return {
    handler: "reverse_proxy",
    dynamic_upstreams: { source: "gatewright" },
    // One retry: the failed dial makes the source ask again, so that a moved instance is met within the request.
    load_balancing: { retries: 1 },
    stream_close_delay: "24h",
    transport: {
      protocol: "http",
      dial_timeout: settings.timeouts.connect,
      // Caddy's default of 32 idle connections makes a busy instance dial anew under load.
      keep_alive: { max_idle_conns_per_host: 256, idle_timeout: "2m" },
    },
  };
}
