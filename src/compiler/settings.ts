import type { AdminConfig, Duration, GuardConfig, LoggingConfig, ResolverConfig } from "./caddy-json.ts";

/** What the compiler needs beside the ingresses. Plain data; two equal settings render two equal configurations. */
export interface CompilerSettings {
  /** Address that Caddy's listeners bind (`CADDY_LISTEN_ADDRESS`). */
  readonly listenAddress: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Folder of Caddy's files, `<DATA_DIR>/caddy`. */
  readonly folder: string;
  readonly admin: Pick<AdminConfig, "listen" | "origins">;
  readonly logging: LoggingConfig;
  readonly resolver: ResolverConfig;
  readonly guard: GuardConfig;
  readonly timeouts: {
    readonly readIdle: Duration;
    readonly writeIdle: Duration;
    readonly idle: Duration;
    /** Dialling an instance. */
    readonly connect: Duration;
  };
  /** Absent: no certificate is ordered. */
  readonly acme?: AcmeSettings;
}

export interface AcmeSettings {
  readonly email: string;
  /** Directory URL; absent means Let's Encrypt production, Caddy's default. */
  readonly ca?: string;
  /** Absent: HTTP-01 and TLS-ALPN-01. */
  readonly dns?: {
    /** How the plugin reads the token, such as `{file./…/cloudflare.token}`; never the token itself. */
    readonly apiToken: string;
    readonly propagationTimeout?: Duration;
    readonly resolvers?: readonly string[];
  };
}
