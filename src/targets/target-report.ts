import type { Ingress, IngressRule, IngressTarget, RuleStatus, TargetStatus } from "../model/api.ts";
import { targetKind, targetsOf } from "../model/target.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { Finding, StatusContributor } from "../status/condition.ts";
import type { RuleReporter } from "../status/status-board.ts";
import { hasCaptures } from "./check-plan.ts";
import { dialOf, type HealthChecks } from "./health-checks.ts";
import { addressesOf } from "./target-addresses.ts";

export interface TargetReportOptions {
  readonly resolver: Pick<InstanceResolver, "resolve">;
  readonly health: Pick<HealthChecks, "stateOf">;
  /** Mode of an instance, whatever target it is of. */
  readonly modeOf: (instance: string) => TargetStatus["mode"];
}

/** Tells the addresses of each rule's targets and how their checks go. */
export function targetReport(options: TargetReportOptions): RuleReporter {
  return (ingress) =>
    Promise.all(
      ingress.rules.map(async (rule, index): Promise<RuleStatus> => {
        const targets = targetsOf(rule).map((target) => targetStatus(ingress, index, rule, target, options));
        const { hostname, port, protocol } = rule.match;
        return {
          hostname,
          port,
          ...(protocol === undefined ? {} : { protocol }),
          targets: await Promise.all(targets),
        };
      }),
    );
}

async function targetStatus(
  ingress: Ingress,
  ruleIndex: number,
  rule: IngressRule,
  target: IngressTarget,
  { resolver, health, modeOf }: TargetReportOptions,
): Promise<TargetStatus> {
  const own = target.mode ?? "active";
  if (hasCaptures(rule, target))
    return { target, resolved: false, reason: "known when a request comes", mode: own, addresses: [] };
  const mode = own === "active" && targetKind(target) === "instance" ? modeOf(target.instance ?? "") : own;
  const { addresses, reason } = await addressesOf(target, resolver);
  return {
    target,
    resolved: addresses.length > 0,
    ...(reason === undefined ? {} : { reason }),
    mode,
    addresses: addresses.map((ip) => {
      const address = dialOf(ip, target.port);
      const {
        health: found = "unchecked",
        since,
        message,
      } = health.stateOf(ingress, ruleIndex, address) ?? {};
      return {
        address,
        health: found,
        ...(since === undefined ? {} : { since }),
        ...(message === undefined ? {} : { message }),
      };
    }),
  };
}

/** Whether each rule has a target with an address, or with captures, that takes requests. */
export const targetsResolved: StatusContributor = (_ingress, rules) => {
  const problems = rules.flatMap((rule, index) => {
    const problem = problemOf(rule);
    return problem === undefined
      ? []
      : [{ ...problem, message: `Rule ${index} (${rule.hostname}): ${problem.message}` }];
  });
  const [first] = problems;
  const type = "TargetsResolved";
  if (first === undefined) {
    return {
      type,
      status: "True",
      reason: "Resolved",
      message: "Every rule has a target that takes requests.",
    };
  }
  const more = problems.length > 1 ? ` ${problems.length - 1} more rules have none either.` : "";
  return { type, status: "False", reason: first.reason, message: `${first.message}${more}` };
};

function problemOf({ targets }: RuleStatus): Pick<Finding, "reason" | "message"> | undefined {
  const weighted = targets.filter(({ target }) => target.weight !== 0);
  const captured = weighted.some(
    ({ resolved, reason }) => !resolved && reason === "known when a request comes",
  );
  if (captured) return undefined;
  const found = weighted.filter(({ resolved }) => resolved);
  if (found.length === 0) {
    const reasons = [
      ...new Set(weighted.map(({ target, reason }) => `${nameOf(target)}: ${reason ?? "no address"}`)),
    ];
    return { reason: "NoAddress", message: `no target has an address (${reasons.slice(0, 3).join("; ")}).` };
  }
  const active = found.filter(({ mode }) => mode === "active");
  if (active.length === 0) {
    const paused = found.some(({ mode }) => mode === "pause");
    return paused
      ? { reason: "Paused", message: "every target is paused or drained; requests wait." }
      : { reason: "Drained", message: "every target is drained." };
  }
  const well = active.some(({ addresses }) => addresses.some(({ health }) => health !== "unhealthy"));
  return well ? undefined : { reason: "AllUnhealthy", message: "every address fails its health check." };
}

function nameOf({ instance, service, address }: IngressTarget): string {
  return instance ?? service ?? address ?? "";
}
