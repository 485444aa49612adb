import { X509Certificate } from "node:crypto";
import type { Problem } from "../errors.ts";
import type { IngressRuleInput, TlsOptions, UpstreamTls } from "../model/api.ts";
import { isHostnameProblem, parseHostname } from "../model/hostname.ts";
import { isLayer4 } from "../model/protocol.ts";
import { ruleField } from "../model/wording.ts";

const YEAR_SECONDS = 31_536_000;
const MOST_AUTHORITIES = 100;

/** The problems of `tls_options` and `upstream.tls` of a rule, beyond their schemas. */
export function tlsOptionProblems(rule: IngressRuleInput, ruleIndex: number): Problem[] {
  const { tls_options: options, upstream } = rule;
  return [
    ...(options === undefined ? [] : optionProblems(rule, options, ruleIndex)),
    ...(upstream?.tls === undefined
      ? []
      : upstreamProblems(isLayer4(rule) ? "https" : upstream.scheme, upstream.tls, ruleIndex)),
  ];
}

function optionProblems(rule: IngressRuleInput, options: TlsOptions, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  const report = (part: string, message: string): void =>
    void problems.push({
      code: "invalid_value",
      field: ruleField(ruleIndex, part),
      message: `${message} in rule ${ruleIndex}`,
    });
  const { certificate, issuer, client_auth: clients, hsts } = options;
  if (rule.tls !== true) report("tls_options", "tls_options requires tls to be enabled");
  if (certificate !== undefined && issuer !== undefined)
    report("tls_options.issuer", "an imported certificate is not issued: leave out issuer or certificate");
  if (clients !== undefined && clients.mode !== "request" && clients.ca_pem === undefined)
    report("tls_options.client_auth.ca_pem", "client_auth needs ca_pem, or anybody's certificate would do");
  const unreadable = clients?.ca_pem === undefined ? undefined : authorityProblem(clients.ca_pem);
  if (unreadable !== undefined) report("tls_options.client_auth.ca_pem", unreadable);
  const { max_age_seconds = YEAR_SECONDS, include_subdomains, preload } = hsts ?? {};
  if (preload === true && (include_subdomains !== true || max_age_seconds < YEAR_SECONDS))
    report(
      "tls_options.hsts.preload",
      "preload needs include_subdomains and max_age_seconds of a year or more",
    );
  return problems;
}

function upstreamProblems(scheme: string | undefined, tls: UpstreamTls, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  const report = (part: string, message: string): void =>
    void problems.push({
      code: "invalid_value",
      field: ruleField(ruleIndex, `upstream.${part}`),
      message: `${message} in rule ${ruleIndex}`,
    });
  if (scheme !== "https") report("tls", "upstream.tls needs upstream.scheme https");
  if (tls.server_name !== undefined) {
    const name = parseHostname(tls.server_name);
    if (isHostnameProblem(name) || name.kind !== "literal")
      report("tls.server_name", "upstream.tls.server_name must be a host name or an IP address");
  }
  const unreadable = tls.ca_pem === undefined ? undefined : authorityProblem(tls.ca_pem);
  if (unreadable !== undefined) report("tls.ca_pem", unreadable);
  if (tls.insecure_skip_verify === true && tls.ca_pem !== undefined)
    report("tls.insecure_skip_verify", "insecure_skip_verify takes any certificate: leave out it or ca_pem");
  return problems;
}

/** What is wrong with a PEM text of authorities. */
function authorityProblem(pem: string): string | undefined {
  if (pem.includes("PRIVATE KEY")) return "ca_pem has a private key in it; only certificates belong there";
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return "ca_pem has no PEM certificate";
  if (blocks.length > MOST_AUTHORITIES) return `ca_pem has more than ${MOST_AUTHORITIES} certificates`;
  try {
    const authorities = blocks.map((block) => new X509Certificate(`${block}\n`));
    if (authorities.every(({ ca }) => ca)) return undefined;
    return "ca_pem has a certificate that is no authority's (basicConstraints CA)";
  } catch {
    return "ca_pem has a certificate that cannot be read";
  }
}
