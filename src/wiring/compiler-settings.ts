import { createHash } from "node:crypto";
import { join } from "node:path";
import { adminAddress } from "../caddy/admin-address.ts";
import { caddyLogging } from "../caddy/log-settings.ts";
import { listenAddress } from "../compiler/http-servers.ts";
import type { AcmeSettings, CompilerSettings, EtcdSettings } from "../compiler/settings.ts";
import { type Config, caddysSocket, Secret } from "../config.ts";
import type { TlsSettings } from "../model/tls-plan.ts";
import { CADDY_TTL } from "../resolver/address-ttl.ts";
import { observingSettings, otlpHeaders, otlpHeadersPath } from "./observing-settings.ts";
import { ownPorts } from "./own-ports.ts";

/** Networks that no target may be in: metadata services and neighbours on the link (RFC 3927, RFC 4291). */
export const deniedNetworks = ["169.254.0.0/16", "fe80::/10"] as const;

const caddyLevels = { debug: "DEBUG", info: "INFO", warn: "WARN", error: "ERROR" } as const;

/** Folder of Caddy's files. */
export function caddyFolder(config: Config): string {
  return join(config.dataDir, "caddy");
}

/** The settings that the compiler renders into Caddy's configuration. `current` has the secrets in force. */
export function compilerSettings(config: Config, current: () => Config = () => config): CompilerSettings {
  const { caddy, dns, log, security } = config;
  const { listen, origins } = adminAddress(caddy.adminAddress, caddy.adminPort ?? 0);
  const timeouts = Object.entries(caddy.timeouts).map(([name, { text }]) => [name, text]);
  return {
    listenAddress: caddy.listenAddress,
    httpPort: caddy.httpPort,
    httpsPort: caddy.httpsPort,
    folder: caddyFolder(config),
    admin: { listen, origins },
    logging: caddyLogging(caddyFolder(config), caddyLevels[log.levels["caddy"] ?? log.level]),
    resolver: { address: listenAddress(dns.address, dns.port), zone: dns.zone, min_ttl: CADDY_TTL },
    guard: {
      deny: deniedNetworks,
      deny_local_ports: ownPorts(config),
      allow_loopback: config.api.loopback,
      allow: security.targetAllowCidrs,
    },
    timeouts: Object.fromEntries(timeouts) as CompilerSettings["timeouts"],
    trustedProxies: security.trustedProxies,
    ...apiSettings(config),
    ...(caddy.gateway === undefined ? {} : { gateway: caddy.gateway }),
    proxyProtocol: security.proxyProtocolFrom,
    h2c: caddy.http2Cleartext,
    tls: tlsCompilerSettings(config),
    ...acmeSettings(config, current),
    ...etcdSettings(config, current),
    ...observingSettings(config, current),
  };
}

function apiSettings({ api: { hostname }, dataDir }: Config): Pick<CompilerSettings, "api"> {
  if (hostname === undefined) return {};
  const { name, redirect, tls } = hostname;
  return { api: { hostname: name, tls, redirect, socket: caddysSocket(dataDir) } };
}

/** Which names may have certificates, and where these come from. */
export function tlsSettings({ api, tls }: Config): TlsSettings {
  const { acme, allowedDomains, issuer, onDemand, preferWildcard } = tls;
  // Whoever gives the API a name wants its certificate, too.
  const own = api.hostname?.tls === true ? [api.hostname.name] : [];
  return {
    acmeConfigured: acme !== undefined,
    dnsChallenge: acme?.dns !== undefined,
    allowedDomains: [...allowedDomains, ...own],
    issuer,
    onDemand,
    preferWildcard,
  };
}

function tlsCompilerSettings(config: Config): CompilerSettings["tls"] {
  const { askPort, http3, onDemand, renewInterval } = config.tls;
  return {
    ...tlsSettings(config),
    ...(onDemand ? { askUrl: `http://127.0.0.1:${askPort}/tls/ask` } : {}),
    // Caddy's own default stays out of the configuration.
    ...(renewInterval.text === "10m" ? {} : { renewInterval: renewInterval.text }),
    ...(http3 ? { http3 } : {}),
  };
}

/** Secrets that Caddy reads from files, so that no configuration holds them. */
export function secretFiles(config: Config): readonly { readonly path: string; readonly secret: Secret }[] {
  const { acme } = config.tls;
  const file = (name: string, secret: Secret | undefined) =>
    secret === undefined ? [] : [{ path: join(caddyFolder(config), name), secret }];
  return [
    ...file("cloudflare.token", acme?.dns?.token),
    ...file("acme-eab.key", acme?.eab?.hmacKey),
    ...file("acme-fallback-eab.key", acme?.fallback?.eab?.hmacKey),
    ...etcdSecrets(config).flatMap(([name, secret]) => file(name, secret)),
    ...otlpHeaders(config).map((secret) => ({ path: otlpHeadersPath(config), secret })),
  ];
}

const ETCD_PASSWORD_FILE = "etcd.password";
const STORE_KEYS_FILE = "store.keys";

function etcdSecrets({ store }: Config): readonly (readonly [name: string, secret: Secret | undefined])[] {
  if (store.kind !== "etcd") return [];
  const keys = new Secret(store.keys.map((key) => key.reveal()).join("\n"));
  return [
    [ETCD_PASSWORD_FILE, store.password],
    [STORE_KEYS_FILE, keys],
  ];
}

function etcdSettings(config: Config, current: () => Config): Pick<CompilerSettings, "etcd"> {
  const { store } = config;
  if (store.kind !== "etcd") return {};
  const { ca, cert, endpoints, key, password, prefix, user } = store;
  const login: Pick<EtcdSettings, "username" | "password" | "credentials"> =
    user === undefined || password === undefined
      ? {}
      : {
          username: user,
          password: `{file.${join(caddyFolder(config), ETCD_PASSWORD_FILE)}}`,
          get credentials() {
            return passwordVersion(current());
          },
        };
  // Not spread: a getter would be read once.
  return {
    etcd: Object.assign(login, {
      endpoints,
      prefix,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      storeKeysFile: join(caddyFolder(config), STORE_KEYS_FILE),
    }),
  };
}

/** A digest that changes with the password. */
function passwordVersion({ store }: Config): string {
  const password = store.kind === "etcd" ? store.password : undefined;
  return createHash("sha256")
    .update(password?.reveal() ?? "")
    .digest("hex")
    .slice(0, 12);
}

/** A digest that says whether they have changed; too short to be guessed from. */
function credentialsOf(config: Config): string | undefined {
  const files = secretFiles(config);
  if (files.length === 0) return undefined;
  const hash = createHash("sha256");
  for (const { path, secret } of files) hash.update(`${path}\0${secret.reveal()}\0`);
  return hash.digest("hex").slice(0, 12);
}

type AcmeConfig = NonNullable<Config["tls"]["acme"]>;

function acmeSettings(config: Config, current: () => Config): Pick<CompilerSettings, "acme"> {
  const { acme } = config.tls;
  if (acme === undefined) return {};
  const { email, caRoot, dns, fallback, timeout } = acme;
  const authority = (ca: string, eab: AcmeConfig["eab"], file: string) => ({
    ca,
    ...(eab === undefined
      ? {}
      : { eab: { keyId: eab.keyId, hmacKey: `{file.${join(caddyFolder(config), file)}}` } }),
  });
  return {
    acme: {
      email,
      ...authority(acme.ca, acme.eab, "acme-eab.key"),
      get credentials() {
        return credentialsOf(current());
      },
      ...(caRoot === undefined ? {} : { caRoot }),
      // Caddy's own default stays out of the configuration.
      ...(timeout.ms === 90_000 ? {} : { timeout: timeout.text }),
      ...(fallback === undefined
        ? {}
        : { fallback: authority(fallback.ca, fallback.eab, "acme-fallback-eab.key") }),
      ...(dns === undefined ? {} : { dns: dnsSettings(config, dns) }),
    },
  };
}

function dnsSettings(config: Config, dns: NonNullable<AcmeConfig["dns"]>): NonNullable<AcmeSettings["dns"]> {
  const { propagationTimeout, resolvers } = dns;
  return {
    apiToken: `{file.${join(caddyFolder(config), "cloudflare.token")}}`,
    ...(propagationTimeout === undefined ? {} : { propagationTimeout: propagationTimeout.text }),
    ...(resolvers.length === 0 ? {} : { resolvers }),
  };
}
