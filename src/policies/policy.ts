import type { PolicySet } from "../caddy-json/config.ts";
import type { Duration } from "../caddy-json/duration.ts";
import type { HeaderOps, PolicyHandler } from "../caddy-json/handlers.ts";
import type { IngressRule, IngressRuleInput, Policies } from "../model/api.ts";
import type { Report } from "./report.ts";

/** Keys of `policies` that shape the proxy instead of standing before it; `validation/` and `compiler/` have them. */
export type ProxyKey = "load_balancing" | "health_check" | "timeouts" | "max_connections";

/** What a rule says of its policies; hypeman's header secret stands beside `policies`. */
export type PolicyValues = Policies & Pick<IngressRule, "request_header_auth">;

export type PolicyKey = Exclude<keyof PolicyValues, ProxyKey>;

/** What a rule says of a policy. */
export type PolicyValue<Key extends PolicyKey> = NonNullable<PolicyValues[Key]>;

/** What handlers depend on beside the rule. */
export interface PolicySettings {
  /** Our DNS server, and the zone of instances. */
  readonly resolver: { readonly address: string; readonly zone: string };
  readonly timeouts: { readonly connect: Duration };
}

/** A server that Caddy connects to for a policy. */
export interface PolicyEndpoint {
  /** The part of the policy that names it. */
  readonly part: string;
  /** DNS name or IP address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * One policy: how a value is checked, stored and served. `index.ts` has all of them in the order in which requests pass
 * through. Values fit their schema, and for all but `problems` have none of the problems.
 */
export interface Policy<Key extends PolicyKey = PolicyKey> {
  /** Its key in a rule's `policies`. */
  readonly key: Key;
  /** The key is one of the rule itself, as hypeman has it. Default: of `policies`. */
  readonly inRule?: true;
  /** It means something for connections of layer 4 too. Default: there it is refused. */
  readonly onLayer4?: true;
  /** Reports what is wrong beyond the schema. Default: nothing can be. */
  problems?(value: PolicyValue<Key>, report: Report, rule: IngressRuleInput): void;
  /** The one form in which the value is stored, answered and compiled. Default: as it is. */
  normalize?(value: PolicyValue<Key>): PolicyValue<Key>;
  /** Servers that Caddy connects to; the target guard must allow those named by address. Default: none. */
  endpoints?(value: PolicyValue<Key>): readonly PolicyEndpoint[];
  /** What requests run through. Default, and when the value asks for nothing: none. */
  handlers?(value: PolicyValue<Key>, rule: IngressRule, settings: PolicySettings): readonly PolicyHandler[];
  /** What the proxy changes of request headers, after it has set its own. Default: nothing. */
  requestHeaders?(value: PolicyValue<Key>): HeaderOps;
  /** What the dispatcher is told beside the handlers. Default: nothing. */
  set?(value: PolicyValue<Key>, rule: IngressRule): Omit<PolicySet, "handle">;
  /** The handlers depend on the rule's path, so that rules of other paths cannot share them. Default: they do not. */
  usesPath?(value: PolicyValue<Key>): boolean;
  /** Ids of Caddy modules that the handlers need beyond those that `modulesOf` sees. Default: none. */
  modules?(value: PolicyValue<Key>): readonly string[];
}

/** Handlers that the requests of every rule run through, with a place among those of policies. */
export interface FixedStep {
  readonly always: readonly PolicyHandler[];
}
