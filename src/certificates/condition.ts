import type { Ingress, IngressRule } from "../model/api.ts";
import { planTls, type TlsSettings } from "../model/tls-plan.ts";
import type { Finding } from "../status/condition.ts";
import type { ImportedCertificates } from "./imported-certificates.ts";
import type { ManagedState } from "./managed-state.ts";
import type { CertificateMonitor } from "./monitor.ts";

export interface ConditionSources {
  readonly settings: TlsSettings;
  readonly monitor: Pick<CertificateMonitor, "of">;
  readonly imported: Pick<ImportedCertificates, "find">;
}

type Verdict = Omit<Finding, "type">;

/** Whether every TLS rule of an ingress has its certificate: `CertificateReady`. Undefined without TLS rules. */
export function certificateCondition(
  sources: ConditionSources,
): (ingress: Pick<Ingress, "rules">) => Finding | undefined {
  return (ingress) => {
    const verdicts = ingress.rules.filter(({ tls }) => tls).map((rule) => verdictOf(rule, sources));
    // The worst one speaks for all.
    const worst = (["False", "Unknown", "True"] as const)
      .map((status) => verdicts.find((verdict) => verdict.status === status))
      .find((verdict) => verdict !== undefined);
    return worst === undefined ? undefined : { type: "CertificateReady", ...worst };
  };
}

function verdictOf(rule: IngressRule, { settings, monitor, imported }: ConditionSources): Verdict {
  const plan = planTls(rule, settings);
  if (plan.kind === "refused") {
    const reason = plan.code === "domain_not_allowed" ? "NotAllowed" : "NotConfigured";
    return { status: "False", reason, message: `Not served with TLS: ${plan.reason}` };
  }
  if (plan.kind === "managed") return managedVerdict(plan.subject, plan.onDemand, monitor.of(plan.subject));
  const certificate = imported.find(plan.certificate);
  if (certificate === undefined) {
    const message = `The imported certificate ${plan.certificate} is not there; import it again.`;
    return { status: "False", reason: "Missing", message };
  }
  const { notAfter } = certificate.facts;
  const ended = notAfter.getTime() <= Date.now();
  return {
    status: ended ? "False" : "True",
    reason: ended ? "Expired" : "Ready",
    message: `The imported certificate ${certificate.name ?? certificate.id} ${ended ? "ended" : "is valid until"} ${notAfter.toISOString()}.`,
  };
}

function managedVerdict(subject: string, onDemand: boolean, known: ManagedState | undefined): Verdict {
  const { state = "pending", served, error } = known ?? {};
  const until = served?.notAfter.toISOString();
  if (state === "ready") {
    const renewal = error === undefined ? "" : ` Its renewal fails: ${error.message}`;
    return { status: "True", reason: "Ready", message: `${subject}: valid until ${until}.${renewal}` };
  }
  if (state === "idle" && served !== undefined)
    return {
      status: "Unknown",
      reason: "OnDemand",
      message: `${subject}: ended ${until}; renewed at the next handshake.`,
    };
  if (state === "expired")
    return {
      status: "False",
      reason: "Expired",
      message: `${subject}: ended ${until}. ${error?.message ?? ""}`.trim(),
    };
  if (state === "failed")
    return { status: "False", reason: "Failed", message: `${subject}: ${error?.message ?? ""}` };
  if (error !== undefined) {
    const message = `${subject}: ordered again; the last order failed: ${error.message}`;
    return { status: "False", reason: "Pending", message };
  }
  if (onDemand)
    return { status: "Unknown", reason: "OnDemand", message: `${subject}: ordered at the first handshake.` };
  return { status: "False", reason: "Pending", message: `${subject}: ordered, not issued yet.` };
}
