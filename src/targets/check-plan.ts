import type { ActiveHealthCheck, Ingress, IngressRule, IngressTarget } from "../model/api.ts";
import { durationMs } from "../model/duration.ts";
import { isLayer4 } from "../model/protocol.ts";
import { targetsOf } from "../model/target.ts";

/** How an address is checked. Two equal ones are one check, whatever rules it is for. */
export interface CheckSettings {
  readonly scheme: "http" | "https" | "h2c" | "tcp";
  readonly path: string;
  /** Host header; absent: the address. */
  readonly host?: string;
  /** Name that the instance is told over TLS (SNI); absent: that of `host`. */
  readonly serverName?: string;
  /** Id of the imported certificate that is shown over TLS. */
  readonly certificate?: string;
  /** Port that is asked; absent: the target's. */
  readonly port?: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Absent: 200 to 299. */
  readonly status?: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** A rule whose addresses are checked. */
export interface CheckPlan {
  /** Id of the rule's row in the host table. */
  readonly rule: string;
  /** Those that are known without a request: no captures. */
  readonly targets: readonly IngressTarget[];
  readonly settings: CheckSettings;
}

/** Id of the row that a rule is compiled to. */
export function rowId(ingress: Pick<Ingress, "id">, ruleIndex: number): string {
  return `${ingress.id}/${ruleIndex}`;
}

/** The checks of an ingress, one for each rule that has `policies.health_check.active`. Pure. */
export function checkPlans(ingress: Ingress): readonly CheckPlan[] {
  return ingress.rules.flatMap((rule, index) => {
    const active = rule.policies?.health_check?.active;
    if (active === undefined) return [];
    const targets = targetsOf(rule).filter((target) => !hasCaptures(rule, target));
    return [{ rule: rowId(ingress, index), targets, settings: settingsOf(active, rule) }];
  });
}

/** Whether a target's instance is known only when a request comes. */
export function hasCaptures(rule: Pick<IngressRule, "match">, target: IngressTarget): boolean {
  return rule.match.hostname.includes("{") && target.instance?.includes("{") === true;
}

function settingsOf(active: ActiveHealthCheck, rule: IngressRule): CheckSettings {
  const { path = "/", host, port, interval = "10s", timeout = "2s", status } = active;
  return {
    scheme: isLayer4(rule) ? "tcp" : (rule.upstream?.scheme ?? "http"),
    path,
    ...(host === undefined ? {} : { host }),
    ...tlsSettings(rule),
    ...(port === undefined ? {} : { port }),
    intervalMs: durationMs(interval) ?? 10_000,
    timeoutMs: durationMs(timeout) ?? 2_000,
    ...(status === undefined ? {} : { status }),
    healthyThreshold: active.healthy_threshold ?? 1,
    unhealthyThreshold: active.unhealthy_threshold ?? 2,
  };
}

/** What real requests show the instance; a check of layer 4 is a connection and no more. */
function tlsSettings(rule: IngressRule): Pick<CheckSettings, "serverName" | "certificate"> {
  const { server_name, certificate } = (isLayer4(rule) ? undefined : rule.upstream?.tls) ?? {};
  return {
    ...(server_name === undefined ? {} : { serverName: server_name }),
    ...(certificate === undefined ? {} : { certificate }),
  };
}
