import { hash } from "node:crypto";
import type { Ingress, IngressRule } from "../model/api.ts";
import { isServedHere, listenField, routeStream } from "./layer4.ts";
import { type KeyedPolicySet, policySetOf } from "./policy-set.ts";
import type { Route, RouteStream } from "./route.ts";
import { routeTargets } from "./route-targets.ts";
import type { CompilerSettings } from "./settings.ts";
import { type TlsNeed, tlsNeeds } from "./tls-needs.ts";

/** One route with the policy set that it names; redirects have none. */
export interface CompiledRoute {
  readonly route: Route;
  readonly policySet?: KeyedPolicySet;
  /** What TLS takes beside the route: names with certificates, options of connections. */
  readonly tlsNeeds?: readonly TlsNeed[];
}

/** The routes of one ingress, in the order of its rules. */
export function compileRoutes(ingress: Ingress, settings: CompilerSettings): readonly CompiledRoute[] {
  if (!isServedHere(ingress, settings)) return [];
  return ingress.rules.flatMap((rule, index) => compileRule(ingress, rule, index, settings));
}

function compileRule(
  ingress: Ingress,
  rule: IngressRule,
  index: number,
  settings: CompilerSettings,
): readonly CompiledRoute[] {
  const needs = tlsNeeds(rule, settings);
  // Not allowed any more: neither served with TLS nor redirected to it; its status says so.
  if (needs === undefined) return [];
  const id = `${ingress.id}/${index}`;
  const stream = routeStream(rule, settings);
  if (stream !== undefined) return [streamRoute(ingress, rule, stream, { id, needs })];
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
      targets: routeTargets(rule),
      ...listenField(ingress),
    },
    policySet,
    ...(needs.length === 0 ? {} : { tlsNeeds: needs }),
  };
  if (!rule.redirect_http) return [proxied];
  return [proxied, redirectOf(proxied.route, rule, settings)];
}

/** A row of layer 4: no handlers, since what it does is in the row itself. */
function streamRoute(
  ingress: Ingress,
  rule: IngressRule,
  stream: RouteStream,
  { id, needs }: { readonly id: string; readonly needs: readonly TlsNeed[] },
): CompiledRoute {
  const { hostname, port } = rule.match;
  return {
    route: {
      id,
      ingress: ingress.name,
      port,
      host: stream.protocol === "tls" ? hostname : "",
      targets: routeTargets(rule),
      ...listenField(ingress),
      stream,
    },
    ...(needs.length === 0 ? {} : { tlsNeeds: needs }),
  };
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
      ...(route.listen === undefined ? {} : { listen: route.listen }),
    },
  };
}

/** The secret itself stays out of the table: 32 bytes or more of it cannot be guessed from their SHA-256. */
function authOf(rule: IngressRule): Pick<Route, "auth"> {
  const auth = rule.request_header_auth;
  return auth === undefined ? {} : { auth: { header: auth.header, sha256: hash("sha256", auth.value) } };
}
