import { coveringWildcard, isDomainAllowed } from "./allowed-domains.ts";
import type { IngressRule } from "./api.ts";
import { hostnameShape, isAddress, isPossibleLabel } from "./hostname.ts";

/** Who signs certificates: the ACME CA, or Caddy's own CA for development. */
export type IssuerName = "acme" | "internal";

/** What of the settings decides where the certificate of a TLS rule comes from. */
export interface TlsSettings {
  /** `ACME_EMAIL` is set. */
  readonly acmeConfigured: boolean;
  /** `ACME_DNS_PROVIDER` is set, so that wildcards can be issued (DNS-01). */
  readonly dnsChallenge: boolean;
  /** `TLS_ALLOWED_DOMAINS`: names, `*.suffix` for one label, or `*`. Empty allows nothing. */
  readonly allowedDomains: readonly string[];
  /** `TLS_PREFER_WILDCARD`, which takes the DNS challenge. Default false. */
  readonly preferWildcard?: boolean;
  /** `TLS_ON_DEMAND`. Default false. */
  readonly onDemand?: boolean;
  /** `TLS_ISSUER`, for rules that name none. Default `acme`. */
  readonly issuer?: IssuerName;
}

/** Why a rule cannot be served with TLS, with the remedy. */
export interface TlsRefusal {
  readonly kind: "refused";
  readonly code: "bad_request" | "domain_not_allowed";
  /** Field of the rule. */
  readonly field: string;
  readonly reason: string;
}

/** Where the certificate of a TLS rule comes from. */
export type TlsPlan =
  | {
      readonly kind: "managed";
      /** The name on the certificate: the host, its wildcard form, or a wildcard that it shares with others. */
      readonly subject: string;
      readonly issuer: IssuerName;
      /** Ordered at the first handshake of each name. */
      readonly onDemand: boolean;
    }
  | { readonly kind: "imported"; readonly certificate: string }
  | TlsRefusal;

/** The part of a rule that the plan depends on. */
export type TlsRule = Pick<IngressRule, "match" | "target" | "targets" | "tls_options">;

/** Decides, from the settings alone, how a TLS rule (normalised) gets its certificate. Pure. */
export function planTls(rule: TlsRule, settings: TlsSettings): TlsPlan {
  const { hostname } = rule.match;
  const subject = hostnameShape(hostname);
  const imported = rule.tls_options?.certificate;
  const issuer = rule.tls_options?.issuer ?? settings.issuer ?? "acme";
  if (imported === undefined && issuer === "acme" && !settings.acmeConfigured) {
    const reason =
      "TLS requested but ACME is not configured (set ACME_EMAIL and ACME_DNS_PROVIDER; ACME_EMAIL alone is enough for " +
      'names that the internet reaches here; TLS_ISSUER=internal, or tls_options.issuer "internal", takes Caddy\'s own authority)';
    return { kind: "refused", code: "bad_request", field: "tls", reason };
  }
  const impossible = impossibleName(hostname, subject);
  if (impossible !== undefined) return impossible;
  if (imported !== undefined) return { kind: "imported", certificate: imported };
  if (issuer === "internal") return { kind: "managed", subject, issuer, onDemand: false };
  return planAcme(rule, subject, settings);
}

function planAcme(rule: TlsRule, subject: string, settings: TlsSettings): TlsPlan {
  const onDemand = settings.onDemand === true;
  // At a handshake the whole name is known, so that no wildcard is needed where the instance can be looked up.
  const perName = onDemand && namesInstance(rule);
  if (!settings.dnsChallenge && subject.includes("*") && !perName) {
    return refuse(
      `a certificate for ${JSON.stringify(subject)} takes the DNS challenge (RFC 8555 section 7.1.3); ` +
        "set ACME_DNS_PROVIDER, or use literal hostnames",
    );
  }
  if (!isDomainAllowed(rule.match.hostname, settings.allowedDomains)) {
    const list = settings.allowedDomains.join(",");
    const reason = `domain not allowed for TLS: ${JSON.stringify(subject)} is not in TLS_ALLOWED_DOMAINS (allowed: ${list})`;
    return { kind: "refused", code: "domain_not_allowed", field: "match.hostname", reason };
  }
  const shared = settings.dnsChallenge && settings.preferWildcard === true && !subject.includes("*");
  const wildcard = shared ? coveringWildcard(subject, settings.allowedDomains) : undefined;
  if (wildcard !== undefined) return { kind: "managed", subject: wildcard, issuer: "acme", onDemand: false };
  const eager = settings.dnsChallenge && /^\*\.[^*]+$/.test(subject);
  return { kind: "managed", subject, issuer: "acme", onDemand: onDemand && !eager };
}

/** Whether a target has captures, so that a host whose instance does not exist can be told. */
function namesInstance({ target, targets = [] }: TlsRule): boolean {
  return [target, ...targets].some((one) => one?.instance?.includes("{") === true);
}

function impossibleName(hostname: string, subject: string): TlsRefusal | undefined {
  if (subject === "*") return refuse("no certificate covers every host; give the rule a hostname");
  const broken = subject.split(".").find((label) => !isPossibleLabel(label));
  // A stored ingress may be older than the check of hostnames.
  if (broken !== undefined) return refuse(`the label ${JSON.stringify(broken)} is no ASCII form of any name`);
  if (!isAddress(hostname)) return undefined;
  return refuse("TLS clients do not name IP addresses (RFC 6066 section 3); give the rule a hostname");
}

function refuse(reason: string): TlsRefusal {
  return { kind: "refused", code: "bad_request", field: "match.hostname", reason };
}
