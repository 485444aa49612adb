import type { TlsConnectionPolicy } from "../caddy-json/config.ts";
import { comparePrecedence } from "../model/precedence.ts";
import type { ConnectionNeed, TlsNeed } from "./tls-needs.ts";

type ClientAuthentication = NonNullable<TlsConnectionPolicy["client_authentication"]>;

/** Ours to Caddy's; Caddy's own `require` would take a certificate of anybody. */
const modes: { readonly [mode: string]: ClientAuthentication["mode"] } = {
  require: "require_and_verify",
  verify_if_given: "verify_if_given",
  request: "request",
};

/**
 * The TLS connection policies of a port: one for each host with options, in the order of precedence, since Caddy takes
 * the first that matches, and the default behind them.
 */
export function connectionPolicies(port: number, needs: readonly TlsNeed[]): readonly TlsConnectionPolicy[] {
  return [...needs.filter((need) => need.kind === "connection" && need.port === port)]
    .map((need) => need as ConnectionNeed)
    .sort((left, right) => comparePrecedence({ shape: left.host }, { shape: right.host }))
    .map(connectionPolicy)
    .concat({});
}

/** Whether a host of the port wants certificates of clients, so that another host's connection must not reach it. */
export function hasClientAuth(port: number, needs: readonly TlsNeed[]): boolean {
  return needs.some(
    (need) => need.kind === "connection" && need.port === port && need.clientAuth !== undefined,
  );
}

/** The certificates of a PEM text as base64 DER, as Caddy's `inline` pool takes them. */
export function derCertificates(pem: string): readonly string[] {
  const found = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
  return [...found].map(([, base64 = ""]) => base64.replace(/\s+/g, ""));
}

function connectionPolicy({
  host,
  certificate,
  minVersion,
  clientAuth,
}: ConnectionNeed): TlsConnectionPolicy {
  return {
    match: { sni: [host] },
    ...(certificate === undefined ? {} : { certificate_selection: { any_tag: [certificate] } }),
    ...(minVersion === undefined ? {} : { protocol_min: minVersion === "1.3" ? "tls1.3" : "tls1.2" }),
    ...(clientAuth === undefined ? {} : { client_authentication: clientAuthentication(clientAuth) }),
  };
}

function clientAuthentication(auth: NonNullable<ConnectionNeed["clientAuth"]>): ClientAuthentication {
  const mode = modes[auth.mode] ?? "require_and_verify";
  if (auth.caPem === undefined) return { mode };
  return { mode, ca: { provider: "inline", trusted_ca_certs: derCertificates(auth.caPem) } };
}
