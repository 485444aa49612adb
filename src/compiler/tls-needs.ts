import type { IngressRule } from "../model/api.ts";
import { hostnameShape } from "../model/hostname.ts";
import { type IssuerName, planTls, type TlsPlan } from "../model/tls-plan.ts";
import type { Row } from "./row.ts";
import type { CompilerSettings } from "./settings.ts";

/** A name that Caddy gets certificates for. It is in the host table. */
export interface ManagedName {
  readonly kind: "managed";
  readonly subject: string;
  readonly issuer: IssuerName;
  readonly onDemand: boolean;
}

/** Who signs for managed names, whatever the names are. */
export interface IssuerNeed {
  readonly kind: "issuer";
  readonly issuer: IssuerName;
  readonly onDemand: boolean;
}

/** An imported certificate that has to be loaded. */
export interface LoadedCertificate {
  readonly kind: "certificate";
  readonly id: string;
}

/** How connections to a host on a port are secured, where that is not the default. */
export interface ConnectionNeed {
  readonly kind: "connection";
  readonly port: number;
  /** Host with `*` for captures. */
  readonly host: string;
  readonly certificate?: string;
  readonly minVersion?: string;
  readonly clientAuth?: { readonly mode: string; readonly ca_pem?: string };
}

/** A port that must be open for the HTTP-01 challenge. */
export interface ChallengePort {
  readonly kind: "challenge-port";
  readonly port: number;
}

/** What a TLS rule needs of Caddy's configuration. Rules share equal ones. */
export type TlsNeed = IssuerNeed | LoadedCertificate | ChallengePort;

/** What a TLS rule needs, beside its row: of the configuration, or in agreement with other rules. */
export type RuleTlsNeed = TlsNeed | ManagedName | ConnectionNeed;

/** What a rule needs, or undefined when the settings do not let it be served with TLS. */
export function tlsNeeds(rule: IngressRule, settings: CompilerSettings): readonly RuleTlsNeed[] | undefined {
  const client = rule.upstream?.tls?.certificate;
  const needs: RuleTlsNeed[] = client === undefined ? [] : [{ kind: "certificate", id: client }];
  if (!rule.tls) return needs;
  const plan = planTls(rule, settings.tls);
  if (plan.kind === "refused") return undefined;
  if (plan.kind === "imported") needs.push({ kind: "certificate", id: plan.certificate });
  else needs.push(plan, { kind: "issuer", issuer: plan.issuer, onDemand: plan.onDemand });
  if (needsChallengePort(plan, settings)) needs.push({ kind: "challenge-port", port: settings.httpPort });
  const connection = connectionNeed(rule, plan);
  if (connection !== undefined) needs.push(connection);
  return needs;
}

function needsChallengePort(plan: TlsPlan, settings: CompilerSettings): boolean {
  return plan.kind === "managed" && plan.issuer === "acme" && settings.acme?.dns === undefined;
}

function connectionNeed(rule: IngressRule, plan: TlsPlan): ConnectionNeed | undefined {
  const { min_version, client_auth } = rule.tls_options ?? {};
  const certificate = plan.kind === "imported" ? plan.certificate : undefined;
  if (min_version === undefined && client_auth === undefined && certificate === undefined) return undefined;
  const { mode = "require", ca_pem } = client_auth ?? {};
  return {
    kind: "connection",
    port: rule.match.port,
    host: hostnameShape(rule.match.hostname),
    ...(certificate === undefined ? {} : { certificate }),
    ...(min_version === undefined ? {} : { minVersion: min_version }),
    ...(client_auth === undefined
      ? {}
      : { clientAuth: { mode, ...(ca_pem === undefined ? {} : { ca_pem }) } }),
  };
}

/** What a rule's needs say of its certificate and its connections, as its row has it. */
export function tlsFields(needs: readonly RuleTlsNeed[]): Pick<Row, "managed_name" | "tls_options"> {
  return { ...managedNameField(needs), ...tlsOptionsField(needs) };
}

/** Names that are ordered on demand are known at their first handshake only. */
function managedNameField(needs: readonly RuleTlsNeed[]): Pick<Row, "managed_name"> {
  const name = needs.find((need) => need.kind === "managed" && !need.onDemand) as ManagedName | undefined;
  return name === undefined ? {} : { managed_name: { subject: name.subject, issuer: name.issuer } };
}

function tlsOptionsField(needs: readonly RuleTlsNeed[]): Pick<Row, "tls_options"> {
  const need = needs.find(({ kind }) => kind === "connection") as ConnectionNeed | undefined;
  if (need === undefined) return {};
  const { certificate, minVersion, clientAuth } = need;
  return {
    tls_options: {
      ...(certificate === undefined ? {} : { certificate }),
      ...(minVersion === undefined ? {} : { min_version: minVersion }),
      ...(clientAuth === undefined ? {} : { client_auth: clientAuth }),
    },
  };
}

/** What two needs would have to agree on: the connections of a host on a port, the issuer of a name. */
export function slotOf(need: RuleTlsNeed): string | undefined {
  if (need.kind === "connection") return `${need.port} ${need.host}`;
  return need.kind === "managed" ? need.subject : undefined;
}

/** Equal for equal needs. */
export function keyOf(need: RuleTlsNeed): string {
  return JSON.stringify(need);
}
