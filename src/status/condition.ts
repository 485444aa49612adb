import type { Condition, Ingress, RuleStatus } from "../model/api.ts";

/** What a contributor says of an ingress now; the board adds when it became so. */
export type Finding = Omit<Condition, "last_transition_time">;

/**
 * One part of Gatewright that knows a condition of ingresses, such as `CertificateReady`. Answers from memory.
 * `rules` is what is known of the targets. Undefined: the condition does not apply to this ingress.
 */
export type StatusContributor = (ingress: Ingress, rules: readonly RuleStatus[]) => Finding | undefined;
