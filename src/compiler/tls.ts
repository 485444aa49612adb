import type {
  CertificatesApp,
  EventsApp,
  ExternalAccount,
  Issuer,
  LoadedFile,
  PkiApp,
  TlsApp,
} from "../caddy-json/config.ts";
import type { Duration } from "../caddy-json/duration.ts";
import type { IssuerName } from "../model/tls-plan.ts";
import type { AcmeSettings, AuthoritySettings, CompilerSettings } from "./settings.ts";
import type { IssuerNeed, TlsNeed } from "./tls-needs.ts";

/** Digest of each imported certificate by its id, so that a replaced one is another configuration. */
export type ImportedDigests = ReadonlyMap<string, string>;

/** Caddy's apps that have to do with certificates. */
export interface TlsApps {
  readonly events?: EventsApp;
  readonly gatewright_certificates?: CertificatesApp;
  readonly pki?: PkiApp;
  readonly tls?: TlsApp;
}

/** Who signs, by kind. Which names there are is in the host table, so that a further one takes no reload. */
export function tlsApps(
  needs: readonly TlsNeed[],
  settings: CompilerSettings,
  imported: ImportedDigests,
): TlsApps {
  const kinds = needs.filter((need) => need.kind === "issuer");
  const files = needs.flatMap((need) =>
    need.kind === "certificate" ? loadedFile(need.id, settings, imported) : [],
  );
  if (kinds.length === 0 && files.length === 0) return {};
  const certificates = {
    ...(files.length === 0 ? {} : { certificates: { load_files: files } }),
    ...(settings.etcd === undefined ? {} : sharedTickets),
  };
  if (kinds.length === 0) return { tls: certificates };
  return {
    ...(kinds.some(({ onDemand }) => onDemand) ? { events: certificateEvents } : {}),
    ...certificatesApp(kinds, settings),
    ...(kinds.some(({ issuer }) => issuer === "internal") ? { pki: quietAuthority } : {}),
    tls: { ...certificates, automation: automation(kinds, settings) },
  };
}

/** Path of an imported certificate's chain and key; one file, so that no crash leaves a pair that does not match. */
export function importedCertificatePath(folder: string, id: string): string {
  return `${folder}/certificates/${id}.pem`;
}

/** Tells caddy/certificates what becomes of orders that Caddy makes by itself. */
const certificateEvents: EventsApp = {
  subscriptions: [
    {
      events: ["cert_obtaining", "cert_obtained", "cert_failed"],
      handlers: [{ handler: "gatewright_certificates" }],
    },
  ],
};

/** A client resumes at one gateway what it began at another. */
const sharedTickets: TlsApp = { session_tickets: { key_source: { provider: "gatewright_shared" } } };

/** Caddy would put its root into the machine's trust store, and ask for a password. */
const quietAuthority: PkiApp = { certificate_authorities: { local: { install_trust: false } } };

function loadedFile(
  id: string,
  { folder }: CompilerSettings,
  imported: ImportedDigests,
): readonly LoadedFile[] {
  const digest = imported.get(id);
  if (digest === undefined) return [];
  const path = importedCertificatePath(folder, id);
  return [{ certificate: path, key: path, tags: [id, digest] }];
}

/** The authorities of the names in the host table; none where all are ordered on demand. */
function certificatesApp(
  kinds: readonly IssuerNeed[],
  settings: CompilerSettings,
): Pick<TlsApps, "gatewright_certificates"> {
  const eager = [...new Set(kinds.filter(({ onDemand }) => !onDemand).map(({ issuer }) => issuer))];
  const credentials = kinds.some(({ issuer }) => issuer === "acme") ? settings.acme?.credentials : undefined;
  if (eager.length === 0 && credentials === undefined) return {};
  const authorities = eager.map((issuer) => [issuer, { issuers: issuersOf(issuer, settings) }] as const);
  return {
    gatewright_certificates: {
      authorities: Object.fromEntries(authorities),
      // The configuration has paths of secrets only: with another secret it would be the same, and not be loaded.
      ...(credentials === undefined ? {} : { credentials }),
      ...renewal(settings),
    },
  };
}

/**
 * One policy for every name: its certificate is in `gatewright_certificates`, else it is ordered on demand where that is
 * on, which is asked at the handshake. Without a policy Caddy would ask its default CA.
 */
function automation(
  kinds: readonly IssuerNeed[],
  settings: CompilerSettings,
): NonNullable<TlsApp["automation"]> {
  const { askUrl } = settings.tls;
  const onDemand = kinds.some((kind) => kind.onDemand);
  const issuer = kinds.some((kind) => kind.issuer === "acme") ? "acme" : "internal";
  return {
    policies: [
      {
        get_certificate: [{ via: "gatewright" }],
        issuers: issuersOf(issuer, settings),
        ...(onDemand ? { on_demand: true } : {}),
      },
    ],
    on_demand: {
      permission:
        onDemand && askUrl !== undefined
          ? { module: "http", endpoint: askUrl }
          : { module: "gatewright_nobody" },
    },
    ...renewal(settings),
  };
}

function renewal({ tls: { renewInterval } }: CompilerSettings): { readonly renew_interval?: Duration } {
  return renewInterval === undefined ? {} : { renew_interval: renewInterval };
}

function issuersOf(issuer: IssuerName, settings: CompilerSettings): readonly Issuer[] {
  const { acme } = settings;
  return issuer === "internal" || acme === undefined ? [{ module: "internal" }] : acmeIssuers(acme, settings);
}

function acmeIssuers(acme: AcmeSettings, settings: CompilerSettings): readonly Issuer[] {
  return [acme, ...(acme.fallback === undefined ? [] : [acme.fallback])].map((authority) =>
    acmeIssuer(authority, acme, settings),
  );
}

function acmeIssuer(authority: AuthoritySettings, acme: AcmeSettings, settings: CompilerSettings): Issuer {
  return {
    module: "acme",
    email: acme.email,
    ...(authority.ca === undefined ? {} : { ca: authority.ca }),
    ...(authority.eab === undefined ? {} : { external_account: externalAccount(authority.eab) }),
    ...(acme.caRoot === undefined ? {} : { trusted_roots_pem_files: [acme.caRoot] }),
    ...(acme.timeout === undefined ? {} : { acme_timeout: acme.timeout }),
    challenges: acme.dns === undefined ? portChallenges(settings) : dnsChallenge(acme.dns),
  };
}

function externalAccount(eab: NonNullable<AuthoritySettings["eab"]>): ExternalAccount {
  return { key_id: eab.keyId, mac_key: eab.hmacKey };
}

function portChallenges(settings: CompilerSettings): Challenges {
  return {
    http: { alternate_port: settings.httpPort },
    "tls-alpn": { alternate_port: settings.httpsPort },
  };
}

type Challenges = Extract<Issuer, { module: "acme" }>["challenges"];

function dnsChallenge(dns: NonNullable<AcmeSettings["dns"]>): Challenges {
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
