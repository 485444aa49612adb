import type {
  AutomationPolicy,
  EventsApp,
  ExternalAccount,
  Issuer,
  LoadedFile,
  PkiApp,
  TlsApp,
} from "../caddy-json/config.ts";
import type { AcmeSettings, AuthoritySettings, CompilerSettings } from "./settings.ts";
import type { ManagedName, TlsNeed } from "./tls-needs.ts";

/** Digest of each imported certificate by its id, so that a replaced one is another configuration. */
export type ImportedDigests = ReadonlyMap<string, string>;

/** Caddy's apps that have to do with certificates. */
export interface TlsApps {
  readonly events?: EventsApp;
  readonly pki?: PkiApp;
  readonly tls?: TlsApp;
}

/**
 * Exactly the names that TLS rules claim, each under an explicit policy. Without a policy for a name Caddy would ask
 * its default CA for it.
 */
export function tlsApps(
  needs: readonly TlsNeed[],
  settings: CompilerSettings,
  imported: ImportedDigests,
): TlsApps {
  const names = needs.filter((need) => need.kind === "managed");
  const files = needs.flatMap((need) =>
    need.kind === "certificate" ? loadedFile(need.id, settings, imported) : [],
  );
  if (names.length === 0 && files.length === 0) return {};
  const automate = names.filter(({ onDemand }) => !onDemand).map(({ subject }) => subject);
  const policies = automationPolicies(names, settings);
  return {
    ...(names.length === 0 ? {} : { events: certificateEvents }),
    ...(names.some(({ issuer }) => issuer === "internal") ? { pki: quietAuthority } : {}),
    tls: {
      certificates: {
        ...(automate.length === 0 ? {} : { automate }),
        ...(files.length === 0 ? {} : { load_files: files }),
      },
      ...(policies.length === 0 ? {} : { automation: automation(policies, settings) }),
    },
  };
}

/** Path of an imported certificate's chain and key; one file, so that no crash leaves a pair that does not match. */
export function importedCertificatePath(folder: string, id: string): string {
  return `${folder}/certificates/${id}.pem`;
}

/** Tells caddy/certificates what becomes of orders. */
const certificateEvents: EventsApp = {
  subscriptions: [
    {
      events: ["cert_obtaining", "cert_obtained", "cert_failed"],
      handlers: [{ handler: "gatewright_certificates" }],
    },
  ],
};

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

function automation(
  policies: readonly AutomationPolicy[],
  settings: CompilerSettings,
): NonNullable<TlsApp["automation"]> {
  const { renewInterval, askUrl } = settings.tls;
  const asks = askUrl !== undefined && policies.some(({ on_demand }) => on_demand === true);
  return {
    policies,
    ...(asks ? { on_demand: { permission: { module: "http", endpoint: askUrl } } } : {}),
    ...(renewInterval === undefined ? {} : { renew_interval: renewInterval }),
  };
}

/** One policy for each way of getting certificates that is in use. */
function automationPolicies(
  names: readonly ManagedName[],
  settings: CompilerSettings,
): readonly AutomationPolicy[] {
  const subjects = (issuer: ManagedName["issuer"]): readonly string[] =>
    names.filter((name) => name.issuer === issuer && !name.onDemand).map(({ subject }) => subject);
  const { acme } = settings;
  const [internal, eager] = [subjects("internal"), acme === undefined ? [] : subjects("acme")];
  const issuers = acme === undefined ? [] : acmeIssuers(acme, settings);
  // Caddy takes the first policy that covers a name. The last one names none, so that a new name takes no reload:
  // which names it is good for is asked at the handshake.
  const onDemand = acme !== undefined && names.some((name) => name.onDemand);
  return [
    ...(internal.length === 0 ? [] : [{ subjects: internal, issuers: [{ module: "internal" } as const] }]),
    ...(eager.length === 0 ? [] : [{ subjects: eager, issuers }]),
    ...(onDemand ? [{ issuers, on_demand: true as const }] : []),
  ];
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
