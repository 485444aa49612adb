import type { ConfigNeeds } from "../compiler/config-needs.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import { type RuleTlsNeed, tlsNeeds } from "../compiler/tls-needs.ts";
import type { Problem } from "../errors.ts";
import type { IngressRule } from "../model/api.ts";
import { coversName } from "../model/certificate-names.ts";
import { hostnameShape } from "../model/hostname.ts";

/** An imported certificate, as far as rules refer to it. */
export interface CertificateReference {
  readonly id: string;
  readonly facts: { readonly names: readonly string[]; readonly notAfter: Date };
}

/** Finds imported certificates. */
export interface CertificateLookup {
  /** By id, then by name. */
  find(reference: string): CertificateReference | undefined;
}

/** The rule with the ids of the imported certificates that it names. */
export function referCertificates(
  rule: IngressRule,
  ruleIndex: number,
  lookup: CertificateLookup,
): { readonly rule: IngressRule; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const resolve = (reference: string, part: string): CertificateReference | undefined => {
    const found = lookup.find(reference);
    if (found === undefined) {
      const message = `no imported certificate has the id or name ${JSON.stringify(reference)}; import it by POST /certificates`;
      problems.push({ code: "certificate_not_found", field: `rules[${ruleIndex}].${part}`, message });
    }
    return found;
  };
  const options = rule.tls_options;
  const server =
    options?.certificate === undefined ? undefined : resolve(options.certificate, "tls_options.certificate");
  if (server !== undefined && !coversName(server.facts.names, hostnameShape(rule.match.hostname))) {
    const message = `the certificate is for ${server.facts.names.join(", ")}, not for ${rule.match.hostname}`;
    problems.push({
      code: "certificate_not_found",
      field: `rules[${ruleIndex}].tls_options.certificate`,
      message,
    });
  }
  const upstream = rule.upstream;
  const wanted = upstream?.tls?.certificate;
  const client = wanted === undefined ? undefined : resolve(wanted, "upstream.tls.certificate");
  return {
    problems,
    rule: {
      ...rule,
      ...(server === undefined ? {} : { tls_options: { ...options, certificate: server.id } }),
      ...(client === undefined
        ? {}
        : { upstream: { ...upstream, tls: { ...upstream?.tls, certificate: client.id } } }),
    },
  };
}

/**
 * What rules want of TLS that others contradict: options of one host and port, the issuer of one name, certificates
 * that are gone. `before` are the rules that these replace.
 */
export function tlsConflicts(
  rules: readonly IngressRule[],
  before: readonly IngressRule[],
  { needs, settings, lookup }: { needs: ConfigNeeds; settings: CompilerSettings; lookup: CertificateLookup },
): readonly Problem[] {
  const going = before.flatMap((rule) => tlsNeeds(rule, settings) ?? []);
  const earlier: RuleTlsNeed[] = [];
  return rules.flatMap((rule, index) => {
    const wanted = tlsNeeds(rule, settings) ?? [];
    const problems = wanted.flatMap((need) => {
      const gone = need.kind === "certificate" && lookup.find(need.id) === undefined;
      if (gone) return [missing(need.id, index)];
      const clashes = needs.contradicts(need, going) || earlier.some((other) => disagree(need, other));
      return clashes ? [conflict(need, index)] : [];
    });
    earlier.push(...wanted);
    return problems;
  });
}

function disagree(one: RuleTlsNeed, other: RuleTlsNeed): boolean {
  if (one.kind === "connection" && other.kind === "connection")
    return (
      one.port === other.port && one.host === other.host && JSON.stringify(one) !== JSON.stringify(other)
    );
  if (one.kind !== "managed" || other.kind !== "managed") return false;
  return one.subject === other.subject && one.issuer !== other.issuer;
}

function missing(id: string, index: number): Problem {
  const message = `the imported certificate ${id} is gone; import it by POST /certificates`;
  return { code: "certificate_not_found", field: `rules[${index}].tls_options.certificate`, message };
}

function conflict(need: RuleTlsNeed, index: number): Problem {
  const code = "tls_options_conflict" as const;
  const field = `rules[${index}].tls_options`;
  if (need.kind !== "connection")
    return {
      code,
      field,
      message: `another rule has another issuer for the same name; give both the same issuer`,
    };
  const message = `another rule of ${need.host} on port ${need.port} has other TLS options; connections are secured before the path is known: give both the same`;
  return { code, field, message };
}
