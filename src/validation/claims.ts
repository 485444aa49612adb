import type { Problem } from "../errors.ts";
import type { IngressRule } from "../model/api.ts";
import { API_INGRESS } from "../model/api-ingress.ts";
import { type Conflict, MOST_HEADER_SETS } from "../model/claims/claim-index.ts";
import { isLayer4, isNamed, protocolOf } from "../model/protocol.ts";
import { quote, ruleField } from "../model/wording.ts";

/** Conflicts as problems: each names hostname, port, path and who holds them. In the order of the conflicts. */
export function claimProblems(conflicts: readonly Conflict[]): Problem[] {
  return conflicts.map((conflict) => ({
    code: codeOf(conflict),
    field: ruleField(conflict.ruleIndex, fieldOf(conflict)),
    message: messageOf(conflict),
  }));
}

function codeOf({ kind, rule }: Conflict): Problem["code"] {
  if (kind === "headers") return "out_of_range";
  return isNamed(rule) ? "hostname_in_use" : "port_in_use";
}

function fieldOf({ kind, rule }: Conflict): string {
  if (kind === "headers") return "match.headers";
  if (kind === "redirect") return "redirect_http";
  return isNamed(rule) ? "match.hostname" : "match.port";
}

function messageOf({ kind, rule, holder }: Conflict): string {
  const { hostname, port } = rule.match;
  const wanted = describe(rule);
  if (kind === "headers") {
    return `rules of hostname ${quote(hostname)} on port ${port} name more than ${MOST_HEADER_SETS} different sets of headers for one path; match by values of the same headers`;
  }
  if (kind === "reserved")
    return `hostname already in use: ${quote(hostname)} is reserved for the Gatewright API (API_HOSTNAME); choose another hostname`;
  if (holder.kind === "ingress" && holder.id === API_INGRESS)
    return `port already in use: ${wanted} is wanted by the Gatewright API (API_HOSTNAME); choose another port`;
  const what = isNamed(rule) ? "hostname" : "port";
  if (holder.kind === "file") {
    const named = isNamed(rule) ? `hostname ${quote(hostname)}` : `port ${port}`;
    return `${what} already in use: ${named} is named in the unreadable file of ${quote(holder.id)}`;
  }
  const [prefix, who] =
    holder.kind === "ingress"
      ? [`${what} already in use by another ingress`, `by ingress ${quote(holder.name)}`]
      : [`${what} already in use by another rule`, `by rule ${holder.ruleIndex} of this ingress`];
  if (kind === "rule") return `${prefix}: ${wanted} is already used ${who}`;
  return `${prefix}: the plain port of hostname ${quote(hostname)} is already redirected ${who}, to another port than ${port}`;
}

function describe(rule: IngressRule): string {
  const { match } = rule;
  const { hostname, port, path, methods, headers } = match;
  if (!isNamed(rule)) return `${protocolOf(rule)} port ${port}`;
  const parts = [`hostname ${quote(hostname)} on port ${port}`];
  if (isLayer4(rule)) parts.push(`protocol ${protocolOf(rule)}`);
  if (path !== undefined) parts.push(`${path.type} path ${quote(path.value)}`);
  if (methods !== undefined) parts.push(`methods ${methods.join(", ")}`);
  // Values may be credentials.
  if (headers !== undefined) parts.push(`headers ${Object.keys(headers).join(", ")}`);
  return parts.join(", ");
}
