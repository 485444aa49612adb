import type { Duration } from "./duration.ts";
import type { Environment } from "./read.ts";
import type { Secret } from "./secret.ts";
import type { InstanceSourceName, LogLevel } from "./settings.ts";

/** Gatewright's settings, checked and frozen. Each is described in src/config/settings.ts under its variable. */
export interface Config {
  readonly dataDir: string;
  readonly api: {
    readonly address: string;
    /** 0 until `choosePorts` has chosen one; the same for every port here. */
    readonly port: number;
    readonly secret?: Secret;
    readonly allowedHosts: readonly string[];
    /** Whether only this machine reaches the API. */
    readonly loopback: boolean;
  };
  readonly caddy: {
    readonly bin?: string;
    readonly listenAddress: string;
    /** Absent: no name. */
    readonly gateway?: string;
    /** Present: ingresses are another Gatewright's. */
    readonly follow?: {
      readonly url: string;
      readonly token?: Secret;
      readonly writer?: string;
      readonly interval: Duration;
    };
    readonly httpPort: number;
    readonly httpsPort: number;
    /** `unix//path`, or an IP address. */
    readonly adminAddress: string;
    /** Absent with a Unix socket. */
    readonly adminPort?: number;
    /** What is done when somebody else changes what Caddy runs. */
    readonly drift: "repair" | "report";
    readonly stopOnShutdown: boolean;
    readonly http2Cleartext: boolean;
    /** Absent: Gatewright's own pages. */
    readonly errorPagesDir?: string;
    readonly timeouts: {
      readonly readIdle: Duration;
      readonly writeIdle: Duration;
      readonly idle: Duration;
      readonly connect: Duration;
    };
    /** What Caddy's process gets of the environment: path, proxies, certificates, time zone, Go's limits. */
    readonly environment: Environment;
  };
  readonly dns: { readonly address: string; readonly port: number; readonly zone: string };
  readonly instances: {
    readonly source: InstanceSourceName;
    /** Present with the source `file`. */
    readonly file?: string;
    /** Present with the source `hypeman`. */
    readonly hypeman?: { readonly url: string; readonly token?: Secret; readonly pollInterval: Duration };
  };
  readonly security: {
    readonly targetAllowCidrs: readonly string[];
    readonly trustedProxies: readonly string[];
    readonly proxyProtocolFrom: readonly string[];
  };
  readonly tls: {
    /** Absent: rules with TLS are refused. */
    readonly acme?: AcmeConfig;
    readonly allowedDomains: readonly string[];
    readonly issuer: "acme" | "internal";
    readonly preferWildcard: boolean;
    readonly onDemand: boolean;
    /** Loopback port of Caddy's question whether it may order; 0 until chosen. Used with `onDemand`. */
    readonly askPort: number;
    readonly renewInterval: Duration;
    readonly expiryWarning: Duration;
    readonly http3: boolean;
  };
  readonly log: { readonly level: LogLevel; readonly levels: { readonly [subsystem: string]: LogLevel } };
  readonly otel: {
    readonly enabled: boolean;
    readonly endpoint: string;
    readonly serviceName: string;
    readonly insecure: boolean;
  };
  /** For the Go tool: the environment without Gatewright's own settings. */
  readonly toolEnvironment: Environment;
  /** Every secret, for scrubbing. */
  readonly secrets: readonly Secret[];
  /** What an operator should know but does not stop the start. */
  readonly warnings: readonly string[];
}

export interface AcmeConfig {
  readonly email: string;
  /** Directory URL. */
  readonly ca: string;
  /** PEM file. Absent: the system's roots. */
  readonly caRoot?: string;
  readonly eab?: EabConfig;
  /** Asked when `ca` has refused. */
  readonly fallback?: { readonly ca: string; readonly eab?: EabConfig };
  /** Absent: HTTP-01 and TLS-ALPN-01. */
  readonly dns?: {
    readonly provider: "cloudflare";
    readonly token: Secret;
    readonly propagationTimeout?: Duration;
    readonly resolvers: readonly string[];
  };
}

/** External account binding (RFC 8555 section 7.3.4). */
export interface EabConfig {
  readonly keyId: string;
  readonly hmacKey: Secret;
}
