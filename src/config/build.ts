import path from "node:path";
import type { Duration } from "./duration.ts";
import { isLoopback } from "./kinds.ts";
import type { Environment, Values } from "./read.ts";
import { Secret } from "./secret.ts";
import { fileVariable, secretNames } from "./secret-files.ts";
import {
  accessLogModes,
  clientsInLogs,
  driftPolicies,
  instanceSources,
  type LogLevel,
  logLevels,
  settings,
  subsystems,
} from "./settings.ts";
import { storeConfig, storeSecrets } from "./store.ts";
import { otlpSecrets, telemetryConfig } from "./telemetry.ts";
import { type AdminConfig, warningsOf } from "./warnings.ts";

type Frozen<T> = T extends Secret ? T : { readonly [key in keyof T]: Frozen<T[key]> };

/** Gatewright's settings, checked and frozen. Each is described in src/config/settings.ts under its variable. */
export type Config = Frozen<
  ReturnType<typeof buildConfig> & {
    readonly secretFiles: { readonly [name: string]: string };
    readonly service: ServiceConfig;
  }
>;

/** How the supervisor of this process is told of it. */
export interface ServiceConfig {
  /** Absent: it does not want to be told. */
  readonly notifySocket?: string;
  /** How long it waits for a sign of life. Absent: for ever. */
  readonly watchdogMs?: number;
}

const LONGEST_GIVEN = 500;

function givenSettings(environment: Environment): { readonly [name: string]: string } {
  const given = settings.flatMap(({ name, kind }) => {
    const value = environment[name]?.trim() ?? "";
    return value === "" ? [] : [[name, kind === "secret" ? "(secret)" : value.slice(0, LONGEST_GIVEN)]];
  });
  return Object.fromEntries(given) as { readonly [name: string]: string };
}

/** The configuration that checked values mean. Pure. */
export function buildConfig(values: Values, environment: Environment, dataDir: string) {
  const namedSecrets = Object.fromEntries(
    secretNames.flatMap((name) => {
      const value = secret(values, name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  const secrets = [...Object.values(namedSecrets), ...otlpSecrets(values), ...storeSecrets(values)];
  const admin = adminConfig(values, path.resolve(dataDir));
  return {
    dataDir: path.resolve(dataDir),
    store: storeConfig(values),
    api: apiConfig(values),
    caddy: { ...caddyConfig(values, environment), ...admin },
    dns: {
      address: text(values, "INTERNAL_DNS_ADDRESS"),
      port: values.number("INTERNAL_DNS_PORT"),
      zone: text(values, "INTERNAL_DNS_ZONE").toLowerCase(),
    },
    instances: instancesConfig(values),
    security: {
      targetAllowCidrs: values.list("TARGET_ALLOW_CIDRS"),
      trustedProxies: values.list("TRUSTED_PROXIES"),
      proxyProtocolFrom: values.list("PROXY_PROTOCOL_FROM"),
    },
    tls: {
      /** Absent: rules with TLS are refused. */
      ...optional("acme", acmeConfig(values)),
      allowedDomains: values.list("TLS_ALLOWED_DOMAINS"),
      issuer: oneOf(values, "TLS_ISSUER", ["acme", "internal"]),
      preferWildcard: values.flag("TLS_PREFER_WILDCARD"),
      onDemand: values.flag("TLS_ON_DEMAND"),
      askPort: values.number("TLS_ASK_PORT"),
      renewInterval: duration(values, "TLS_RENEW_INTERVAL"),
      expiryWarning: duration(values, "TLS_EXPIRY_WARNING"),
      http3: values.flag("HTTP3"),
    },
    log: logConfig(values),
    accessLog: accessLogConfig(values),
    telemetry: telemetryConfig(values),
    /** For the Go tool: the environment without Gatewright's own settings. */
    toolEnvironment: withoutOurs(environment),
    /** Every secret, for scrubbing. */
    secrets,
    /** Those of a setting, by its variable. */
    namedSecrets,
    /** The settings that were given, as they were; of secrets that they were. */
    given: givenSettings(environment),
    /** What an operator should know but does not stop the start. */
    warnings: warningsOf(values, environment, admin),
  };
}

function identityProviderConfig(values: Values) {
  const jwksUrl = values.text("JWT_JWKS_URL");
  if (jwksUrl === undefined) return undefined;
  return {
    jwksUrl,
    ...optional("issuer", values.text("JWT_ISSUER")),
    ...optional("audience", values.text("JWT_AUDIENCE")),
  };
}

function apiConfig(values: Values) {
  const listen = values.list("LISTEN_ADDRESS");
  const addresses = listen.filter((address) => !address.startsWith(SOCKET));
  const name = values.text("API_HOSTNAME");
  const byCaddy = name === undefined ? [] : [text(values, "CADDY_LISTEN_ADDRESS")];
  const tls = values.flag("API_TLS");
  return {
    /** IP addresses, each with the port. */
    addresses,
    /** 0 until `choosePorts` has chosen one; the same for every port here. */
    port: values.number("PORT"),
    /** Paths of Unix sockets. */
    sockets: listen
      .filter((address) => address.startsWith(SOCKET))
      .map((address) => path.normalize(address.slice(SOCKET.length))),
    /** Name or number. */
    ...optional("socketGroup", values.text("LISTEN_SOCKET_GROUP")),
    /** Present: Caddy serves the API by this name. */
    ...optional(
      "hostname",
      name === undefined ? undefined : { name, tls, redirect: tls && values.flag("API_REDIRECT_HTTP") },
    ),
    ...optional("secret", secret(values, "JWT_SECRET")),
    ...optional("previousSecret", secret(values, "JWT_SECRET_PREVIOUS")),
    /** Absent: JWTs are those that are signed with the secrets. */
    ...optional("identityProvider", identityProviderConfig(values)),
    sessionDuration: duration(values, "API_SESSION_DURATION"),
    allowedHosts: values.list("API_ALLOWED_HOSTS"),
    /** Whether only this machine reaches the API. */
    loopback: [...addresses, ...byCaddy].every(isLoopback),
  };
}

/** The socket by which Caddy alone reaches the API. */
export function caddysSocket(dataDir: string): string {
  return path.join(dataDir, "caddy", "api.sock");
}

/** What stands before the path of a socket. */
const SOCKET = "unix/";

function followConfig(values: Values) {
  const url = values.text("FOLLOW_URL");
  if (url === undefined) return undefined;
  return {
    url,
    ...optional("token", secret(values, "FOLLOW_TOKEN")),
    ...optional("writer", values.text("FOLLOW_WRITER")),
    interval: duration(values, "FOLLOW_INTERVAL"),
  };
}

/** hypeman's port, where TCP is asked for. */
const ADMIN_PORT = 2019;

/** TCP is only where a port or an IP address is named: every user of the machine reaches it. */
function adminConfig(values: Values, dataDir: string): AdminConfig {
  const address = values.text("CADDY_ADMIN_ADDRESS");
  if (address?.startsWith("unix/")) return { adminAddress: address };
  const hasPort = values.has("CADDY_ADMIN_PORT");
  if (address === undefined && !hasPort)
    return { adminAddress: `unix/${path.join(dataDir, "caddy/admin.sock")}` };
  return {
    adminAddress: address ?? "127.0.0.1",
    adminPort: hasPort ? values.number("CADDY_ADMIN_PORT") : ADMIN_PORT,
  };
}

function caddyConfig(values: Values, environment: Environment) {
  return {
    ...optional("bin", pathOf(values, "CADDY_BIN")),
    listenAddress: text(values, "CADDY_LISTEN_ADDRESS"),
    ...optional("gateway", values.text("GATEWAY_NAME")),
    /** Present: ingresses are another Gatewright's. */
    ...optional("follow", followConfig(values)),
    httpPort: values.number("HTTP_PORT"),
    httpsPort: values.number("HTTPS_PORT"),
    drift: oneOf(values, "DRIFT", driftPolicies),
    stopOnShutdown: values.flag("CADDY_STOP_ON_SHUTDOWN"),
    drainTimeout: duration(values, "DRAIN_TIMEOUT"),
    http2Cleartext: values.flag("HTTP2_CLEARTEXT"),
    ...optional("errorPagesDir", pathOf(values, "ERROR_PAGES_DIR")),
    timeouts: {
      readIdle: duration(values, "READ_IDLE_TIMEOUT"),
      writeIdle: duration(values, "WRITE_IDLE_TIMEOUT"),
      idle: duration(values, "IDLE_TIMEOUT"),
      connect: duration(values, "UPSTREAM_CONNECT_TIMEOUT"),
    },
    /** What Caddy's process gets of the environment: path, proxies, certificates, time zone, Go's limits. */
    environment: {
      GOGC: CADDY_GC_PERCENT,
      ACME_ORDERS_PER_MINUTE: String(values.number("ACME_ORDERS_PER_MINUTE")),
      ...Object.fromEntries(Object.entries(environment).filter(([name]) => caddyVariables.test(name))),
    },
  };
}

/**
 * How far Caddy's heap grows between two collections, in percent; Go's default is 100. Each collection walks the host
 * table: with 100,000 hosts it took 19 % of the processor time of proxied requests (docs/performance.md).
 */
const CADDY_GC_PERCENT = "200";

/** What changes Caddy's behaviour towards the machine; tokens and everything else stay out of its process. */
const caddyVariables =
  /^(?:PATH|HOME|TZ|TMPDIR|LANG|SSL_CERT_FILE|SSL_CERT_DIR|GODEBUG|GOGC|GOMAXPROCS|GOMEMLIMIT|(?:HTTPS?|NO|ALL)_PROXY|(?:https?|no|all)_proxy)$/;

function instancesConfig(values: Values) {
  const source = oneOf(values, "INSTANCE_SOURCE", instanceSources);
  const url = values.text("HYPEMAN_URL");
  const hypeman = {
    url: url ?? "",
    ...optional("token", secret(values, "HYPEMAN_TOKEN")),
    pollInterval: duration(values, "HYPEMAN_POLL_INTERVAL"),
  };
  return {
    source,
    ...optional("file", source === "file" ? pathOf(values, "INSTANCE_FILE") : undefined),
    ...optional("hypeman", source === "hypeman" && url !== undefined ? hypeman : undefined),
  };
}

const directories: { readonly [name: string]: string } = {
  // https://letsencrypt.org/docs/staging-environment/ and https://letsencrypt.org/getting-started/
  production: "https://acme-v02.api.letsencrypt.org/directory",
  staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
};

function acmeConfig(values: Values) {
  const email = values.text("ACME_EMAIL");
  if (email === undefined) return undefined;
  const token = secret(values, "CLOUDFLARE_API_TOKEN");
  const fallback = values.text("ACME_FALLBACK_CA");
  const dns = {
    provider: "cloudflare" as const,
    ...optional("propagationTimeout", values.duration("DNS_PROPAGATION_TIMEOUT")),
    resolvers: values.list("DNS_RESOLVERS"),
  };
  return {
    email,
    /** Directory URL. */
    ca: directoryOf(text(values, "ACME_CA")),
    /** PEM file. Absent: the system's roots. */
    ...optional("caRoot", pathOf(values, "ACME_CA_ROOT")),
    timeout: duration(values, "ACME_TIMEOUT"),
    ...optional("eab", eab(values, "ACME_EAB")),
    ...(fallback === undefined
      ? {}
      : { fallback: { ca: directoryOf(fallback), ...optional("eab", eab(values, "ACME_FALLBACK_EAB")) } }),
    /** Absent: HTTP-01 and TLS-ALPN-01. */
    ...(values.has("ACME_DNS_PROVIDER") && token !== undefined ? { dns: { ...dns, token } } : {}),
  };
}

function directoryOf(ca: string): string {
  return directories[ca] ?? ca;
}

function eab(values: Values, prefix: string) {
  const keyId = values.text(`${prefix}_KEY_ID`);
  const hmacKey = secret(values, `${prefix}_HMAC_KEY`);
  return keyId === undefined || hmacKey === undefined ? undefined : { keyId, hmacKey };
}

function logConfig(values: Values) {
  const levels: { [subsystem: string]: LogLevel } = {};
  for (const subsystem of subsystems) {
    const level = values.text(`LOG_LEVEL_${subsystem.toUpperCase()}`);
    if (level !== undefined) levels[subsystem] = level as LogLevel;
  }
  return { level: oneOf(values, "LOG_LEVEL", logLevels), levels };
}

function accessLogConfig(values: Values) {
  return {
    mode: oneOf(values, "ACCESS_LOG", accessLogModes),
    /** Share of what went well. */
    sample: values.number("ACCESS_LOG_SAMPLE"),
    client: oneOf(values, "ACCESS_LOG_CLIENT", clientsInLogs),
    query: values.flag("ACCESS_LOG_QUERY"),
    /** Whether the process writes the lines to its standard output too. */
    stdout: values.text("ACCESS_LOG_OUTPUT") === "stdout",
    /** Absent: in Caddy's folder. */
    ...optional("file", pathOf(values, "ACCESS_LOG_FILE")),
    rollSizeMb: values.number("ACCESS_LOG_ROLL_SIZE_MB"),
    rollKeep: values.number("ACCESS_LOG_ROLL_KEEP"),
    rollKeepDays: values.number("ACCESS_LOG_ROLL_KEEP_DAYS"),
  };
}

function withoutOurs(environment: Environment): Environment {
  const ours = new Set([...settings.map((setting) => setting.name), ...secretNames.map(fileVariable)]);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !ours.has(name)));
}

/** The value of a setting that has a default. */
function text(values: Values, name: string): string {
  return values.text(name) ?? "";
}

/** The value of a setting with these choices, the first of which stands in for a wrong one. */
function oneOf<Choice extends string>(
  values: Values,
  name: string,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  return choices.find((choice) => choice === values.text(name)) ?? choices[0];
}

function pathOf(values: Values, name: string): string | undefined {
  const value = values.text(name);
  return value === undefined ? undefined : path.resolve(value);
}

function duration(values: Values, name: string): Duration {
  return values.duration(name) ?? { text: "0s", ms: 0 };
}

function secret(values: Values, name: string): Secret | undefined {
  const value = values.text(name);
  return value === undefined ? undefined : new Secret(value);
}

/** The key with its value, or nothing where the value is undefined. */
function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [key in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [key in Key]?: Value });
}
