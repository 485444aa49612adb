import { hash } from "node:crypto";
import type { Ingress, IngressRule } from "../model/api.ts";
import { isServedHere, listenField, rowLayer4 } from "./layer4.ts";
import { type KeyedPolicySet, policySetOf } from "./policy-set.ts";
import type { PolicySets, Row, RowLayer4 } from "./row.ts";
import { rowTargets } from "./row-targets.ts";
import type { CompilerSettings } from "./settings.ts";
import { type RuleTlsNeed, tlsFields, tlsNeeds } from "./tls-needs.ts";

/** One row with the policy set that it names; redirects have none. */
export interface CompiledRow {
  readonly row: Row;
  readonly policySet?: KeyedPolicySet;
  /** What TLS takes beside the row: names with certificates, options of connections. */
  readonly tlsNeeds?: readonly RuleTlsNeed[];
}

/** The policy sets that rows name, by key. */
export function policySetsOf(compiled: Iterable<CompiledRow>): PolicySets {
  const sets: Record<string, PolicySets[string]> = {};
  for (const { policySet } of compiled) if (policySet !== undefined) sets[policySet.key] = policySet.set;
  return sets;
}

/** The rows of one ingress, in the order of its rules. */
export function compileRows(ingress: Ingress, settings: CompilerSettings): readonly CompiledRow[] {
  if (!isServedHere(ingress, settings)) return [];
  return ingress.rules.flatMap((rule, index) => compileRule(ingress, rule, index, settings));
}

function compileRule(
  ingress: Ingress,
  rule: IngressRule,
  index: number,
  settings: CompilerSettings,
): readonly CompiledRow[] {
  const needs = tlsNeeds(rule, settings);
  // Not allowed any more: neither served with TLS nor redirected to it; its status says so.
  if (needs === undefined) return [];
  const id = `${ingress.id}/${index}`;
  const layer4 = rowLayer4(rule, settings);
  if (layer4 !== undefined) return [layer4Row(ingress, rule, layer4, { id, needs })];
  const policySet = policySetOf(rule, settings);
  const { hostname, port, path, methods, headers } = rule.match;
  const proxied: CompiledRow = {
    row: {
      id,
      ingress: ingress.name,
      port,
      host: hostname,
      ...(path === undefined ? {} : { path }),
      ...(methods === undefined ? {} : { methods }),
      ...(headers === undefined ? {} : { headers }),
      ...(rule.tls ? { tls: true } : {}),
      ...tlsFields(needs),
      ...authOf(rule),
      policy: policySet.key,
      targets: rowTargets(rule),
      ...listenField(ingress),
    },
    policySet,
    ...(needs.length === 0 ? {} : { tlsNeeds: needs }),
  };
  if (!rule.redirect_http) return [proxied];
  return [proxied, redirectOf(proxied.row, rule, settings)];
}

/** A row of layer 4: no handlers, since what it does is in the row itself. */
function layer4Row(
  ingress: Ingress,
  rule: IngressRule,
  layer4: RowLayer4,
  { id, needs }: { readonly id: string; readonly needs: readonly RuleTlsNeed[] },
): CompiledRow {
  const { hostname, port } = rule.match;
  return {
    row: {
      id,
      ingress: ingress.name,
      port,
      host: layer4.protocol === "tls" ? hostname : "",
      targets: rowTargets(rule),
      ...listenField(ingress),
      ...tlsFields(needs),
      layer4,
    },
    ...(needs.length === 0 ? {} : { tlsNeeds: needs }),
  };
}

/** The plain-HTTP side of `redirect_http`: the whole host, below any explicit rule of HTTP_PORT. */
export function redirectOf(row: Row, rule: IngressRule, settings: CompilerSettings): CompiledRow {
  return {
    row: {
      id: `${row.id}/redirect`,
      ingress: row.ingress,
      port: settings.httpPort,
      host: row.host,
      redirect: { port: rule.match.port },
      ...(row.listen === undefined ? {} : { listen: row.listen }),
    },
  };
}

/** The secret itself stays out of the table: 32 bytes or more of it cannot be guessed from their SHA-256. */
function authOf(rule: IngressRule): Pick<Row, "auth"> {
  const auth = rule.request_header_auth;
  return auth === undefined ? {} : { auth: { header: auth.header, sha256: hash("sha256", auth.value) } };
}
