import type { Hsts, IngressRule } from "../model/api.ts";

const YEAR_SECONDS = 31_536_000;

/** Sets Strict-Transport-Security on every response of the rule, also where the instance sets its own. */
export interface HstsHandler {
  readonly handler: "headers";
  readonly response: {
    readonly set: { readonly "Strict-Transport-Security": readonly [string] };
    readonly deferred: true;
  };
}

/** The handler for `tls_options.hsts`, or none. Rules with TLS are reached by TLS only (RFC 6797 section 7.2). */
export function hstsHandlers(rule: IngressRule): readonly HstsHandler[] {
  const hsts = rule.tls_options?.hsts;
  if (!rule.tls || hsts === undefined) return [];
  const set = { "Strict-Transport-Security": [hstsValue(hsts)] as const };
  return [{ handler: "headers", response: { set, deferred: true } }];
}

function hstsValue({ max_age_seconds = YEAR_SECONDS, include_subdomains, preload }: Hsts): string {
  const parts = [`max-age=${max_age_seconds}`];
  if (include_subdomains === true) parts.push("includeSubDomains");
  if (preload === true) parts.push("preload");
  return parts.join("; ");
}
