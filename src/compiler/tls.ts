import type { Issuer, TlsApp } from "./caddy-json.ts";
import type { AcmeSettings, CompilerSettings } from "./settings.ts";

/**
 * The TLS app: each name that a TLS rule claims, and an explicit policy for exactly these.
 * Without a policy for a name Caddy would ask its default CA for it.
 */
export function tlsApp(subjects: readonly string[], settings: CompilerSettings): TlsApp | undefined {
  if (subjects.length === 0 || settings.acme === undefined) return undefined;
  return {
    certificates: { automate: subjects },
    automation: { policies: [{ subjects, issuers: [acmeIssuer(settings.acme, settings)] }] },
  };
}

function acmeIssuer(acme: AcmeSettings, settings: CompilerSettings): Issuer {
  return {
    module: "acme",
    email: acme.email,
    ...(acme.ca === undefined ? {} : { ca: acme.ca }),
    challenges: acme.dns === undefined ? portChallenges(settings) : dnsChallenge(acme.dns),
  };
}

function portChallenges(settings: CompilerSettings): Issuer["challenges"] {
  return {
    http: { alternate_port: settings.httpPort },
    "tls-alpn": { alternate_port: settings.httpsPort },
  };
}

function dnsChallenge(dns: NonNullable<AcmeSettings["dns"]>): Issuer["challenges"] {
  return {
    http: { disabled: true },
    "tls-alpn": { disabled: true },
    dns: {
      provider: { name: "cloudflare", api_token: dns.apiToken },
      ...(dns.propagationTimeout === undefined ? {} : { propagation_timeout: dns.propagationTimeout }),
      ...(dns.resolvers === undefined ? {} : { resolvers: dns.resolvers }),
    },
  };
}
