import type { IngressTarget } from "./api.ts";

/** What a target names. */
export type TargetKind = "instance" | "service" | "address";

/** A target with its field in the rule: `target`, or `targets[1]`. */
export interface TargetField {
  readonly target: IngressTarget;
  readonly field: string;
}

interface WithTargets {
  readonly target?: IngressTarget;
  readonly targets?: readonly IngressTarget[];
}

/** The targets of a rule, whichever of the two forms it has. */
export function targetsOf(rule: WithTargets): readonly IngressTarget[] {
  return rule.targets ?? (rule.target === undefined ? [] : [rule.target]);
}

/** The targets of a rule with the fields that messages name them by. */
export function targetFields(rule: WithTargets): readonly TargetField[] {
  const single = rule.target === undefined ? [] : [{ target: rule.target, field: "target" }];
  const pool = (rule.targets ?? []).map((target, index) => ({ target, field: `targets[${index}]` }));
  return [...single, ...pool];
}

export function targetKind(target: IngressTarget): TargetKind {
  if (target.service !== undefined) return "service";
  return target.address === undefined ? "instance" : "address";
}

/** The name that DNS knows a service by, below the zone. */
export function serviceName(service: string): string {
  return `${service}.svc`;
}
