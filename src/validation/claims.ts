import type { Problem } from "../errors.ts";
import type { IngressRule } from "../model/api.ts";
import type { Conflict } from "../model/claims.ts";
import { quote, ruleField } from "./wording.ts";

/** Conflicts as problems: each names hostname, port, path and who holds them. In the order of the conflicts. */
export function claimProblems(conflicts: readonly Conflict[]): Problem[] {
  return conflicts.map((conflict) => ({
    code: "hostname_in_use",
    field: ruleField(conflict.ruleIndex, conflict.kind === "redirect" ? "redirect_http" : "match.hostname"),
    message: messageOf(conflict),
  }));
}

function messageOf({ kind, rule, holder }: Conflict): string {
  const { hostname, port } = rule.match;
  const place = placeOf(rule);
  if (holder.kind === "file") {
    return `hostname already in use: hostname ${quote(hostname)} is named in the unreadable ingress file of ${quote(holder.id)}; mend or delete that file`;
  }
  const [prefix, who] =
    holder.kind === "ingress"
      ? ["hostname already in use by another ingress", `by ingress ${quote(holder.name)}`]
      : ["hostname already in use by another rule", `by rule ${holder.ruleIndex} of this ingress`];
  if (kind === "rule") return `${prefix}: ${place} is already used ${who}`;
  return `${prefix}: the plain port of hostname ${quote(hostname)} is already redirected ${who}, to another port than ${port}`;
}

function placeOf({ match }: IngressRule): string {
  const { hostname, port, path, methods, headers } = match;
  const parts = [`hostname ${quote(hostname)} on port ${port}`];
  if (path !== undefined) parts.push(`${path.type} path ${quote(path.value)}`);
  if (methods !== undefined) parts.push(`methods ${methods.join(", ")}`);
  // Values may be credentials.
  if (headers !== undefined) parts.push(`headers ${Object.keys(headers).join(", ")}`);
  return parts.join(", ");
}
