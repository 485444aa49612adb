import type { FixedProxyHandler, PolicySet } from "../caddy-json/config.ts";
import { transportWith } from "../caddy-json/transport.ts";
import { GatewrightError } from "../errors.ts";
import type { IngressRule } from "../model/api.ts";
import { API_INGRESS } from "../model/api-ingress.ts";
import { policyKey } from "./digest.ts";
import { policyHandlers } from "./render-policies.ts";
import { type CompiledRow, redirectOf } from "./rows.ts";
import type { ApiSettings, CompilerSettings } from "./settings.ts";
import { tlsFields, tlsNeeds } from "./tls-needs.ts";

/** What the API claims, as an ingress that is none of the callers'. Undefined where it has no hostname. */
export function apiClaimant({ api, httpPort, httpsPort }: CompilerSettings) {
  if (api === undefined) return undefined;
  const { hostname, redirect, tls } = api;
  const rule: IngressRule = {
    match: { hostname, port: tls ? httpsPort : httpPort },
    tls,
    redirect_http: redirect,
  };
  return { id: API_INGRESS, name: API_INGRESS, rules: [rule] as const };
}

/**
 * The rows by which Caddy serves the API: they lead to a socket that only Caddy and Gatewright open, and no target can name, so
 * that the guard need not let anything through. Throws `config_invalid` for a name that no certificate can have.
 */
export function apiRows(settings: CompilerSettings): readonly CompiledRow[] {
  const claimant = apiClaimant(settings);
  if (settings.api === undefined || claimant === undefined) return [];
  const [rule] = claimant.rules;
  // At once: nobody asks for the name of an API that answers to no handshake yet.
  const needs = tlsNeeds(rule, { ...settings, tls: { ...settings.tls, onDemand: false } });
  if (needs === undefined) throw unfit(settings.api);
  const set = apiPolicySet(rule, settings.api, settings);
  const key = policyKey(set);
  const { hostname, port } = rule.match;
  const served: CompiledRow = {
    row: {
      id: `${API_INGRESS}/0`,
      ingress: API_INGRESS,
      port,
      host: hostname,
      ...(rule.tls ? { tls: true } : {}),
      ...tlsFields(needs),
      policy: key,
    },
    policySet: { key, set },
    ...(needs.length === 0 ? {} : { tlsNeeds: needs }),
  };
  return rule.redirect_http ? [served, redirectOf(served.row, rule, settings)] : [served];
}

function apiPolicySet(rule: IngressRule, { socket }: ApiSettings, settings: CompilerSettings): PolicySet {
  const proxy: FixedProxyHandler = {
    handler: "reverse_proxy",
    upstreams: [{ dial: `unix/${socket}` }],
    transport: transportWith({ dial_timeout: settings.timeouts.connect }, { versions: ["1.1"] }),
  };
  return { handle: [...policyHandlers(rule, settings), proxy] };
}

function unfit({ hostname }: ApiSettings): GatewrightError {
  const message = `API_HOSTNAME: ${hostname} can have no certificate; choose another name, or set API_TLS=false`;
  return new GatewrightError("config_invalid", message, {
    details: [{ code: "invalid_value", field: "API_HOSTNAME", message }],
  });
}
