import path from "node:path";
import { acmeConfig } from "./acme.ts";
import { apiConfig } from "./api.ts";
import type { Environment, Values } from "./read.ts";
import { duration, oneOf, optional, pathOf, secret, text } from "./readers.ts";
import type { Secret } from "./secret.ts";
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
    readonly calledAs: string;
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
