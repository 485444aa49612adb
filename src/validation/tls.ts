import type { Problem } from "../errors.ts";
import type { IngressRule } from "../model/api.ts";
import { hostnameShape, isAddress, isHostnameProblem, parseHostname } from "../model/hostname.ts";
import { quote, ruleField } from "./wording.ts";

/** What of the settings decides which TLS rules can have a certificate. */
export interface TlsSettings {
  /** `ACME_EMAIL` is set. */
  readonly acmeConfigured: boolean;
  /** `ACME_DNS_PROVIDER` is set, so that wildcards can be issued (DNS-01). */
  readonly dnsChallenge: boolean;
  /** `TLS_ALLOWED_DOMAINS`: names, `*.suffix` for one label, or `*`. Empty allows nothing. */
  readonly allowedDomains: readonly string[];
}

/**
 * The problems of TLS rules with the settings, in hypeman's order and words. Rules are normalised ones; `undefined`
 * stands for a rule that is invalid by itself.
 */
export function tlsProblems(rules: readonly (IngressRule | undefined)[], settings: TlsSettings): Problem[] {
  return [...rules.entries()].flatMap(([index, rule]) =>
    rule?.tls === true ? ruleTlsProblems(rule.match.hostname, index, settings) : [],
  );
}

/**
 * Whether TLS_ALLOWED_DOMAINS covers a hostname, patterns by their wildcard form. Without regard to case.
 * `*.example.com` covers one label before the suffix, not the suffix itself.
 */
export function isDomainAllowed(hostname: string, allowedDomains: readonly string[]): boolean {
  const subject = shapeOf(hostname);
  return allowedDomains.some((entry) => {
    const allowed = shapeOf(entry.trim());
    if (allowed === "") return false;
    if (allowed === subject || allowed === "*") return true;
    if (!allowed.startsWith("*.") || !subject.endsWith(allowed.slice(1))) return false;
    const label = subject.slice(0, -allowed.length + 1);
    return label !== "" && !label.includes(".");
  });
}

function ruleTlsProblems(hostname: string, index: number, settings: TlsSettings): Problem[] {
  const field = ruleField(index, "match.hostname");
  const refuse = (message: string): Problem[] => [{ code: "bad_request", field, message }];
  if (!settings.acmeConfigured) {
    const message = "TLS requested but ACME is not configured (set ACME_EMAIL and ACME_DNS_PROVIDER)";
    return [{ code: "bad_request", field: ruleField(index, "tls"), message }];
  }
  const subject = hostnameShape(hostname);
  if (subject === "*") return refuse(`no certificate covers every host; give TLS rule ${index} a hostname`);
  if (isAddress(hostname)) {
    return refuse(
      `TLS clients do not name IP addresses (RFC 6066 section 3); give TLS rule ${index} a hostname`,
    );
  }
  if (!settings.dnsChallenge && subject.includes("*")) {
    return refuse(
      `a certificate for ${quote(subject)} takes the DNS challenge (RFC 8555 section 7.1.3); ` +
        `set ACME_DNS_PROVIDER, or use literal hostnames in TLS rule ${index}`,
    );
  }
  if (isDomainAllowed(hostname, settings.allowedDomains)) return [];
  const list = settings.allowedDomains.join(",");
  const message = `domain not allowed for TLS: ${quote(subject)} is not in TLS_ALLOWED_DOMAINS (allowed: ${list})`;
  return [{ code: "domain_not_allowed", field, message }];
}

function shapeOf(text: string): string {
  const hostname = parseHostname(text);
  return isHostnameProblem(hostname) ? text.toLowerCase() : hostname.shape;
}
