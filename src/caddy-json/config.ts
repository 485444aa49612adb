/**
 * The part of Caddy's JSON configuration that Gatewright renders.
 * Source: https://caddyserver.com/docs/json/ and, for `gatewright`, the packages in caddy/.
 */

import type { Duration } from "./duration.ts";
import type { HeaderOps, PolicyHandler } from "./handlers.ts";
import type { Transport } from "./transport.ts";

/** The whole configuration, as POSTed to `/load`. */
export interface CaddyConfig {
  readonly admin: AdminConfig;
  readonly logging: LoggingConfig;
  readonly storage: StorageConfig;
  readonly apps: {
    readonly gatewright: GatewrightApp;
    readonly http?: HttpApp;
    readonly tls?: TlsApp;
    readonly gatewright_certificates?: CertificatesApp;
    readonly events?: EventsApp;
    readonly pki?: PkiApp;
    readonly gatewright_layer4?: Layer4App;
  };
}

/** Where Caddy keeps certificates, accounts and challenges. */
export type StorageConfig = { readonly module: "file_system"; readonly root: string } | EtcdStorage;

/** caddy/etcdstorage. */
export interface EtcdStorage {
  readonly module: "gatewright_etcd";
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly username?: string;
  /** As Caddy reads it, such as `{file./…/etcd.password}`. */
  readonly password?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Read again when it changes. */
  readonly store_keys_file: string;
  /** Folder of the copies from which Caddy starts while etcd is away. */
  readonly cache: string;
  /** Stands in locks, for people who look. */
  readonly instance?: string;
  /** Changes with the password. */
  readonly credentials?: string;
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

export type LogWriter = { readonly output: "stderr" } | FileWriter;

/** A file that Caddy rotates at its size (https://caddyserver.com/docs/json/logging/logs/writer/file/). */
export interface FileWriter {
  readonly output: "file";
  readonly filename: string;
  readonly mode: string;
  readonly roll_size_mb: number;
  readonly roll_keep: number;
  readonly roll_keep_days?: number;
  readonly roll_gzip: boolean;
}

/** Our app: what the dispatcher and the upstream source share (caddy/app). */
export interface GatewrightApp {
  /** Digest of this configuration without this field; `GET /gatewright/state` answers it. */
  readonly version: string;
  /** Read once, at process start, while the process has no host table yet. */
  readonly table_file: string;
  /** Rows that name this host have it alone, on every port: no wildcard takes it. */
  readonly reserved_host?: string;
  readonly resolver: ResolverConfig;
  readonly guard: GuardConfig;
  /** Pages for all ingresses; those of a policy set go first. */
  readonly error_pages?: { readonly [status: string]: string };
  readonly access_log?: AccessLogConfig;
  readonly tracing?: TracingConfig;
}

export type AccessLogMode = "off" | "errors" | "all";

/** Which requests and connections are logged (caddy/accesslog); absent keys are its defaults. */
export interface AccessLogConfig {
  readonly log?: AccessLogMode;
  /** Share of what went well. */
  readonly sample?: number;
  readonly client?: "full" | "masked" | "none";
  readonly query?: true;
  readonly writer?: FileWriter;
}

/** Where spans of requests go, and of which requests there are some (caddy/tracing). */
export interface TracingConfig {
  readonly endpoint: string;
  readonly protocol: string;
  /** An object of JSON, which no configuration is to show. */
  readonly headers_file?: string;
  readonly headers_version?: string;
  readonly ca_file?: string;
  readonly timeout: Duration;
  readonly service_name: string;
  readonly service_instance_id: string;
  readonly attributes?: { readonly [name: string]: string };
  readonly sampler: string;
  readonly sampler_arg?: number;
  readonly trust_parents?: true;
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
  /** Listeners of ingresses, `ip:port` or `:port`: no request may go back to one. Absent: there are none. */
  readonly deny_listeners?: readonly string[];
  readonly allow_loopback: boolean;
  readonly allow: readonly string[];
}

/** Handlers that rules with equal policies share. They travel with rows of the host table (caddy/app). */
export interface PolicySet {
  readonly handle: readonly PolicyHandler[];
  /** Pages that the dispatcher sends instead of its own, by status (`502`) or class (`5xx`). */
  readonly error_pages?: { readonly [status: string]: string };
  /** Absent: `clean` where a rule of a path had to be asked, else `keep`. */
  readonly unclean_paths?: "clean" | "reject" | "keep";
  /** Absent: what the app says. */
  readonly access_log?: AccessLogMode;
}

export interface ReverseProxyHandler {
  readonly handler: "reverse_proxy";
  readonly dynamic_upstreams: UpstreamSource;
  readonly load_balancing: {
    /** Ours only sets the cookie that the source asks for. Absent: any, since the source gives one address. */
    readonly selection_policy?: { readonly policy: "gatewright" };
    readonly retries: number;
  };
  readonly headers?: { readonly request: HeaderOps };
  readonly transport: Transport;
}

/** Caddy's proxy to a server that is always the same one. */
export interface FixedProxyHandler {
  readonly handler: "reverse_proxy";
  /** Caddy's network address, such as `unix//run/api.sock`. */
  readonly upstreams: readonly { readonly dial: string }[];
  readonly headers?: { readonly request: HeaderOps };
  readonly transport: Transport;
}

/** Our upstream source with its choices (caddy/upstreams); absent ones are its defaults. */
export interface UpstreamSource {
  readonly source: "gatewright";
  readonly policy?: string;
  /** For `policy: "header"`. */
  readonly header?: string;
  /** For `policy: "cookie"`. */
  readonly cookie?: string;
  /** How long a request waits for an address that is available. */
  readonly try_duration?: Duration;
  /** Attempts of requests that did not wait for an instance to wake. Absent: as the proxy's. */
  readonly retries?: number;
  /** The manager checks the addresses: those it calls unhealthy are left out. */
  readonly health?: true;
  readonly passive?: { readonly max_fails: number; readonly fail_duration: Duration };
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
  /** Whether the Host of a request must be the connection's SNI. */
  readonly strict_sni_host?: false;
  /** Of HTTP/3 alone; what stands before the server ends TLS for the others. */
  readonly tls_connection_policies?: readonly TlsConnectionPolicy[];
  /** Whether HTTP/3 takes requests before the handshake ends, which anyone who saw them can send again. */
  readonly allow_0rtt?: false;
  readonly trusted_proxies?: { readonly source: "static"; readonly ranges: readonly string[] };
  readonly trusted_proxies_strict?: 1;
  readonly routes: readonly [{ readonly handle: readonly [DispatcherHandler] }];
}

/** Our dispatcher. */
export interface DispatcherHandler {
  readonly handler: "gatewright";
  /** The server's. */
  readonly trusted_proxies?: readonly string[];
}

/** Our listener wrapper: reads where each connection goes before the server reads it (caddy/layer4). */
export interface ListenerWrapper extends FrontDoor {
  readonly wrapper: "gatewright";
  /** Connections may be of layer 4, of TLS, or plain. Absent: they are all of TLS, or all plain. */
  readonly shared?: true;
}

/** What stands before a TCP port (caddy/layer4). */
export interface FrontDoor {
  /** Networks whose connections begin with a PROXY protocol header. Absent: none. */
  readonly proxy_protocol_from?: readonly string[];
  /** TLS is ended here, as the rows of the host table demand, with these imported certificates and those of the names. */
  readonly tls?: { readonly certificates?: readonly string[] };
}

/** Ports that no HTTP server has (caddy/layer4). */
export interface Layer4App {
  readonly tcp?: readonly Layer4Server[];
  /** Sockets, `ip:port`, which reloads leave alone. */
  readonly udp?: readonly string[];
}

export interface Layer4Server extends FrontDoor {
  readonly listen: readonly string[];
}

/** How a QUIC connection is secured; the first policy that matches holds. */
export interface TlsConnectionPolicy {
  /** What the rows of the connection's name demand (caddy/handshake). */
  readonly match?: { readonly gatewright: { readonly certificate?: string; readonly asks?: true } };
  readonly certificate_selection?: { readonly any_tag: readonly string[] };
  /** What clients show is checked at each request. */
  readonly client_authentication?: { readonly mode: "request" };
}

/** Who signs the certificates of the host table's names (caddy/certificates). */
export interface CertificatesApp {
  /** By what rows call their issuers. */
  readonly authorities: { readonly [issuer: string]: { readonly issuers: readonly Issuer[] } };
  /** Changes with what the issuers read from files. */
  readonly credentials?: string;
  readonly renew_interval?: Duration;
}

export interface TlsApp {
  /** caddy/tickets: the keys are those of all gateways. Default: each process makes its own. */
  readonly session_tickets?: { readonly key_source: { readonly provider: "gatewright_shared" } };
  readonly certificates?: { readonly load_files: readonly LoadedFile[] };
  readonly automation?: {
    readonly policies: readonly [AutomationPolicy];
    readonly on_demand: {
      readonly permission:
        | { readonly module: "http"; readonly endpoint: string }
        /** Permits none: to Caddy every policy with a source of certificates is one of on-demand certificates. */
        | { readonly module: "gatewright_nobody" };
    };
    readonly renew_interval?: Duration;
  };
}

/** A certificate that somebody else issued. */
export interface LoadedFile {
  readonly certificate: string;
  readonly key: string;
  readonly tags: readonly string[];
}

export interface AutomationPolicy {
  /** Names of the host table. */
  readonly get_certificate: readonly [{ readonly via: "gatewright" }];
  readonly issuers: readonly Issuer[];
  readonly on_demand?: true;
}

export type Issuer = AcmeIssuer | { readonly module: "internal" };

export interface AcmeIssuer {
  readonly module: "acme";
  readonly email: string;
  readonly ca?: string;
  readonly external_account?: ExternalAccount;
  readonly trusted_roots_pem_files?: readonly string[];
  readonly acme_timeout?: Duration;
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

export interface ExternalAccount {
  readonly key_id: string;
  readonly mac_key: string;
}

/** Who is told of Caddy's events. */
export interface EventsApp {
  readonly subscriptions: readonly {
    readonly events: readonly string[];
    readonly handlers: readonly [{ readonly handler: "gatewright_certificates" }];
  }[];
}

/** Caddy's own certificate authority. */
export interface PkiApp {
  readonly certificate_authorities: { readonly local: { readonly install_trust: false } };
}
