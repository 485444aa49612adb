import { hash } from "node:crypto";
import type { Ingress, IngressRule } from "../model/api.ts";
import { type KeyedPolicySet, policySetOf } from "./policy-set.ts";
import type { Route } from "./route.ts";
import type { CompilerSettings } from "./settings.ts";

/** One route with the policy set that it names; redirects have none. */
export interface CompiledRoute {
  readonly route: Route;
  readonly policySet?: KeyedPolicySet;
  /** Name that needs a certificate: the host with `*` for captures. Absent without TLS. */
  readonly tlsSubject?: string;
}

/** The routes of one ingress, in the order of its rules. */
export function compileRoutes(ingress: Ingress, settings: CompilerSettings): readonly CompiledRoute[] {
  return ingress.rules.flatMap((rule, index) => compileRule(ingress, rule, index, settings));
}

function compileRule(
  ingress: Ingress,
  rule: IngressRule,
  index: number,
  settings: CompilerSettings,
): readonly CompiledRoute[] {
  const id = `${ingress.id}/${index}`;
  const policySet = policySetOf(rule, settings);
  const { hostname, port, path, methods, headers } = rule.match;
  const proxied: CompiledRoute = {
    route: {
      id,
      ingress: ingress.name,
      port,
      host: hostname,
      ...(path === undefined ? {} : { path }),
      ...(methods === undefined ? {} : { methods }),
      ...(headers === undefined ? {} : { headers }),
      ...(rule.tls ? { tls: true } : {}),
      ...authOf(rule),
      policy: policySet.key,
      targets: [{ instance: rule.target.instance, port: rule.target.port }],
    },
    policySet,
    ...(rule.tls ? { tlsSubject: tlsSubjectOf(hostname) } : {}),
  };
  if (!rule.redirect_http) return [proxied];
  return [proxied, redirectOf(proxied.route, rule, settings)];
}

/** The plain-HTTP side of `redirect_http`: the whole host, below any explicit rule of HTTP_PORT. */
function redirectOf(route: Route, rule: IngressRule, settings: CompilerSettings): CompiledRoute {
  return {
    route: {
      id: `${route.id}/redirect`,
      ingress: route.ingress,
      port: settings.httpPort,
      host: route.host,
      redirect: { port: rule.match.port },
    },
  };
}

/** The secret itself stays out of the table: 32 bytes or more of it cannot be guessed from their SHA-256. */
function authOf(rule: IngressRule): Pick<Route, "auth"> {
  const auth = rule.request_header_auth;
  return auth === undefined ? {} : { auth: { header: auth.header, sha256: hash("sha256", auth.value) } };
}

function tlsSubjectOf(hostname: string): string {
  return hostname.replace(/\{[^}]*\}/g, "*");
}
