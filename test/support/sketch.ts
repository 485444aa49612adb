import type { Ingress, IngressRule } from "../../src/model/api.ts";

/** A rule as it is stored, for port 80 without TLS; `changes` replaces what it says. */
export function ruleOf(
  match: Partial<IngressRule["match"]>,
  changes: Partial<Omit<IngressRule, "match">> = {},
): IngressRule {
  return {
    match: { hostname: "", port: 80, ...match },
    target: { instance: "web-1", port: 8080 },
    tls: false,
    redirect_http: false,
    ...changes,
  };
}

/** An ingress as it is stored, of the name of its id; without rules of its own one for `<id>.example.com`. */
export function ingressOf(id: string, changes: Partial<Ingress> = {}): Ingress {
  const at = "2026-01-01T00:00:00.000Z";
  const rules = [ruleOf({ hostname: `${id}.example.com` })];
  return { id, name: id, rules, created_at: at, updated_at: at, ...changes };
}

/** The ingress with the ports of a manager in the places of 80 and 443, which belong to nobody's tests. */
export function onPorts(
  ingress: Ingress,
  { httpPort, httpsPort }: { readonly httpPort: number; readonly httpsPort: number },
): Ingress {
  const ports = new Map([
    [80, httpPort],
    [443, httpsPort],
  ]);
  const rules = ingress.rules.map((rule) => ({
    ...rule,
    match: { ...rule.match, port: ports.get(rule.match.port) ?? rule.match.port },
  }));
  return { ...ingress, rules };
}
