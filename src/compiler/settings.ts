import type {
  AccessLogConfig,
  AdminConfig,
  GuardConfig,
  LoggingConfig,
  ResolverConfig,
  TracingConfig,
} from "../caddy-json/config.ts";
import type { Duration } from "../caddy-json/duration.ts";
import type { TlsSettings } from "../model/tls-plan.ts";

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
  readonly guard: Omit<GuardConfig, "deny_listeners">;
  readonly timeouts: {
    readonly readIdle: Duration;
    readonly writeIdle: Duration;
    readonly idle: Duration;
    /** Dialling an instance. */
    readonly connect: Duration;
  };
  /** Where certificates come from, and which names may have one. */
  readonly tls: TlsCompilerSettings;
  /** Ids of the modules of the running Caddy. Absent: it has all. */
  readonly modules?: readonly string[];
  /** Networks of proxies whose X-Forwarded headers are believed (`TRUSTED_PROXIES`). Absent: none. */
  readonly trustedProxies?: readonly string[];
  /** Networks that begin connections with a PROXY protocol header (`PROXY_PROTOCOL_FROM`). Absent: none. */
  readonly proxyProtocol?: readonly string[];
  /** Error pages for all ingresses, by status (`502`) or class (`5xx`). */
  readonly errorPages?: { readonly [status: string]: string };
  /** Whether plain ports take HTTP/2 without TLS, as gRPC clients speak it (`HTTP2_CLEARTEXT`). */
  readonly h2c?: boolean;
  /** Absent: no certificate is ordered. */
  readonly acme?: AcmeSettings;
  /** Absent: only what policies ask for is logged, as the defaults of caddy/accesslog say. */
  readonly accessLog?: AccessLogConfig;
  /** Where Caddy stores what gateways have in common. Absent: in its own folder. */
  readonly etcd?: EtcdSettings;
  /** Absent: there are no traces. */
  readonly tracing?: TracingConfig;
  /** Present: Gatewright's own API is served by a name (`API_HOSTNAME`). */
  readonly api?: ApiSettings;
  /** Name of this Gatewright, for ingresses that name gateways (`GATEWAY_NAME`). Absent: it has none. */
  readonly gateway?: string;
}

export interface EtcdSettings {
  readonly endpoints: readonly string[];
  /** Ends in a slash. */
  readonly prefix: string;
  readonly username?: string;
  /** How Caddy reads it, such as `{file./…/etcd.password}`; never the password itself. */
  readonly password?: string;
  /** PEM files. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** File of the keys that seal values, which Caddy reads again when it changes. */
  readonly storeKeysFile: string;
  /** Changes with the password. Absent: there is none. */
  readonly credentials?: string;
}

export interface ApiSettings {
  /** Lowercase. */
  readonly hostname: string;
  /** On `httpsPort`; else on `httpPort`. */
  readonly tls: boolean;
  /** Redirects from `httpPort`. */
  readonly redirect: boolean;
  /** The Unix socket where the API takes what Caddy passes on. */
  readonly socket: string;
}

export interface TlsCompilerSettings extends TlsSettings {
  /** Where Caddy asks whether it may order a name at its first handshake. */
  readonly askUrl?: string;
  /** Default: Caddy's, 10 minutes. */
  readonly renewInterval?: Duration;
  /** TLS ports speak HTTP/3 too. Default false. */
  readonly http3?: boolean;
}

/** An ACME certificate authority. */
export interface AuthoritySettings {
  /** Directory URL; absent means Let's Encrypt production, Caddy's default. */
  readonly ca?: string;
  /** External account binding; the key as Caddy reads it, such as `{file./…/acme-eab.key}`. */
  readonly eab?: { readonly keyId: string; readonly hmacKey: string };
}

export interface AcmeSettings extends AuthoritySettings {
  readonly email: string;
  /** PEM file of the roots that the authorities' own servers are verified by. */
  readonly caRoot?: string;
  /** Changes with the secrets in the files that Caddy reads, and tells none. Absent: there are none. */
  readonly credentials?: string | undefined;
  /** How long an order may be left undecided. Default: Caddy's, 90 seconds. */
  readonly timeout?: Duration;
  /** Asked when the first one refuses. */
  readonly fallback?: AuthoritySettings;
  /** Absent: HTTP-01 and TLS-ALPN-01. */
  readonly dns?: {
    /** How the plugin reads the token, such as `{file./…/cloudflare.token}`; never the token itself. */
    readonly apiToken: string;
    readonly propagationTimeout?: Duration;
    readonly resolvers?: readonly string[];
  };
}
