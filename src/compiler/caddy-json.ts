/**
 * The part of Caddy's JSON configuration that Gatewright renders.
 * Source: https://caddyserver.com/docs/json/ and, for `gatewright`, the packages in caddy/.
 */

/** A duration as Caddy reads it: Go's form, such as `"30s"`. */
export type Duration = string;

/** The whole configuration, as POSTed to `/load`. */
export interface CaddyConfig {
  readonly admin: AdminConfig;
  readonly logging: LoggingConfig;
  readonly storage: { readonly module: "file_system"; readonly root: string };
  readonly apps: {
    readonly gatewright: GatewrightApp;
    readonly http?: HttpApp;
    readonly tls?: TlsApp;
  };
}

export interface AdminConfig {
  readonly listen: string;
  readonly enforce_origin: true;
  readonly origins: readonly string[];
  /** `persist: false`: config.json is written by Gatewright; Caddy's autosave would be a second truth. */
  readonly config: { readonly persist: false };
}

export interface LoggingConfig {
  readonly logs: { readonly [name: string]: LogConfig };
}

export interface LogConfig {
  readonly level: "DEBUG" | "INFO" | "WARN" | "ERROR";
  readonly writer: LogWriter;
  readonly encoder: { readonly format: "json" };
  readonly exclude?: readonly string[];
}

export type LogWriter =
  | { readonly output: "stderr" }
  | {
      readonly output: "file";
      readonly filename: string;
      readonly mode: string;
      readonly roll_size_mb: number;
      readonly roll_keep: number;
      readonly roll_gzip: boolean;
    };

/** Our app: what the dispatcher and the upstream source share (caddy/dispatcher). */
export interface GatewrightApp {
  /** Digest of this configuration without this field; `GET /gatewright/state` answers it. */
  readonly version: string;
  /** Read once, at process start, while the process has no host table yet. */
  readonly table_file: string;
  readonly resolver: ResolverConfig;
  readonly guard: GuardConfig;
  readonly policy_sets: { readonly [key: string]: PolicySet };
}

export interface ResolverConfig {
  /** Our DNS server, `host:port`. */
  readonly address: string;
  readonly zone: string;
  /** Answers are kept at least this long, since every change is pushed. */
  readonly min_ttl: Duration;
}

/** Which dial addresses are refused (SSRF guard of the data plane). */
export interface GuardConfig {
  readonly deny: readonly string[];
  readonly deny_local_ports: readonly number[];
  readonly allow_loopback: boolean;
  readonly allow: readonly string[];
}

/** Handlers that rules with equal policies share. */
export interface PolicySet {
  readonly handle: readonly Handler[];
}

export type Handler = ReverseProxyHandler;

export interface ReverseProxyHandler {
  readonly handler: "reverse_proxy";
  readonly dynamic_upstreams: { readonly source: "gatewright" };
  readonly load_balancing: { readonly retries: number };
  /** Without it every reload closes every WebSocket. */
  readonly stream_close_delay: Duration;
  readonly transport: HttpTransport;
}

export interface HttpTransport {
  readonly protocol: "http";
  readonly dial_timeout: Duration;
  readonly keep_alive: { readonly max_idle_conns_per_host: number; readonly idle_timeout: Duration };
}

export interface HttpApp {
  readonly http_port: number;
  readonly https_port: number;
  readonly servers: { readonly [name: string]: HttpServer };
}

/** One server a listen port. */
export interface HttpServer {
  readonly listen: readonly string[];
  readonly listener_wrappers?: readonly ListenerWrapper[];
  readonly automatic_https: { readonly disable: true };
  readonly read_header_timeout: Duration;
  readonly read_idle_timeout: Duration;
  readonly write_idle_timeout: Duration;
  readonly idle_timeout: Duration;
  readonly protocols: readonly string[];
  readonly tls_connection_policies?: readonly TlsConnectionPolicy[];
  readonly routes: readonly [{ readonly handle: readonly [{ readonly handler: "gatewright" }] }];
}

export type ListenerWrapper =
  | { readonly wrapper: "layer4"; readonly routes: readonly Layer4Route[] }
  | { readonly wrapper: "tls" };

export interface Layer4Route {
  readonly match: readonly [{ readonly tls: Readonly<{ [key: string]: never }> }];
  readonly handle: readonly [{ readonly handler: "tls" }];
}

export type TlsConnectionPolicy = Readonly<{ [key: string]: never }>;

export interface TlsApp {
  readonly certificates: { readonly automate: readonly string[] };
  readonly automation: { readonly policies: readonly AutomationPolicy[] };
}

export interface AutomationPolicy {
  readonly subjects: readonly string[];
  readonly issuers: readonly Issuer[];
}

export interface Issuer {
  readonly module: "acme";
  readonly email: string;
  readonly ca?: string;
  readonly challenges: {
    readonly http?: { readonly disabled?: boolean; readonly alternate_port?: number };
    readonly "tls-alpn"?: { readonly disabled?: boolean; readonly alternate_port?: number };
    readonly dns?: {
      readonly provider: { readonly name: "cloudflare"; readonly api_token: string };
      readonly propagation_timeout?: Duration;
      readonly resolvers?: readonly string[];
    };
  };
}
