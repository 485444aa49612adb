// Generated from openapi.json by `npm run generate`. Do not edit.

/** `active` takes requests; `drain` takes no new ones while those that run finish, WebSockets too; `pause` has new ones wait. */
export type TrafficMode = "active" | "drain" | "pause";
/** `ready`: served. `pending`: an order is under way, the first or another after a failure that `error` tells. `failed`: there is none and the last order failed; another follows. `expired`: its time has passed. `idle`: it is ordered or renewed at the next handshake, since TLS_ON_DEMAND is set and nobody asks for the name now. */
export type CertificateState = "ready" | "pending" | "failed" | "expired" | "idle";
/** What a token is for; `*` is everything. */
export type Scope =
  | "*"
  | "ingress:read"
  | "ingress:write"
  | "ingress:delete"
  | "instance:read"
  | "instance:write"
  | "certificate:read"
  | "certificate:write"
  | "admin:read"
  | "admin:write";
/** Lowercase letters, digits and hyphens, with a letter or digit at both ends. Unique among ingresses. */
export type IngressName = string;
/** Stable; docs/errors.md explains each. */
export type ErrorCode =
  | "Bad Request"
  | "Unauthorized"
  | "Forbidden"
  | "too_many_attempts"
  | "bad_request"
  | "already_exists"
  | "hostname_in_use"
  | "port_in_use"
  | "port_not_permitted"
  | "instance_not_found"
  | "instance_no_network"
  | "domain_not_allowed"
  | "certificate_not_found"
  | "certificate_in_use"
  | "tls_options_conflict"
  | "target_not_allowed"
  | "module_missing"
  | "config_validation_failed"
  | "not_found"
  | "ingress_set_aside"
  | "ambiguous"
  | "method_not_allowed"
  | "precondition_failed"
  | "payload_too_large"
  | "archive_invalid"
  | "not_empty"
  | "source_unavailable"
  | "source_read_only"
  | "identity_provider_unavailable"
  | "caddy_unavailable"
  | "store_unavailable"
  | "store_outcome_unknown"
  | "store_conflict"
  | "overloaded"
  | "import_under_way"
  | "shutting_down"
  | "internal_error"
  | "required"
  | "unknown_key"
  | "wrong_type"
  | "out_of_range"
  | "invalid_value"
  | "invalid_hostname"
  | "invalid_target"
  | "invalid_path"
  | "config_invalid"
  | "caddy_build_failed"
  | "caddy_modules_missing"
  | "caddy_start_failed"
  | "address_in_use"
  | "address_unavailable"
  | "ingress_unreadable";
/** A new instance is `Running` when nothing else is said. Only `Running` and `Initializing` instances take requests. */
export type InstanceState =
  "Created" | "Initializing" | "Running" | "Paused" | "Shutdown" | "Stopped" | "Standby" | "Unknown";
/** Lowercase letters, digits and hyphens, also several such labels joined by dots. In a body it must equal the name in the address. */
export type InstanceName = string;
/** What happened; docs/observability.md explains each. */
export type EventType =
  | "gateway.started"
  | "gateway.stopping"
  | "ingress.created"
  | "ingress.changed"
  | "ingress.deleted"
  | "ingress.batch"
  | "ingress.refused"
  | "instance.appeared"
  | "instance.moved"
  | "instance.changed"
  | "instance.gone"
  | "instance.batch"
  | "instance.traffic"
  | "instance.refused"
  | "target.healthy"
  | "target.unhealthy"
  | "certificate.ordered"
  | "certificate.issued"
  | "certificate.failed"
  | "certificate.expiring"
  | "certificate.imported"
  | "certificate.deleted"
  | "certificate.refused"
  | "token.created"
  | "token.deleted"
  | "token.refused"
  | "archive.exported"
  | "archive.imported"
  | "archive.refused"
  | "source.answering"
  | "source.failing"
  | "caddy.started"
  | "caddy.died"
  | "caddy.upgraded"
  | "caddy.silent"
  | "caddy.answering"
  | "caddy.programmed"
  | "caddy.unprogrammed"
  | "drift.found"
  | "drift.mended"
  | "port.lost"
  | "port.regained"
  | "store.unreachable"
  | "store.reached";
/** Why the request ends as it does, in the word that metrics have for it: what sets the nearest rule apart, the policy that refuses (its key in a rule), or why no target takes it. */
export type ExplainReason =
  | "served"
  | "redirected"
  | "not_programmed"
  | "port"
  | "host"
  | "path"
  | "method"
  | "headers"
  | "address"
  | "scheme"
  | "no_sni"
  | "target"
  | "no_certificate"
  | "client_certificate"
  | "access"
  | "basic_auth"
  | "forward_auth"
  | "maintenance"
  | "max_request_body"
  | "rate_limit"
  | "request_header_auth"
  | "unclean_paths"
  | "tls_options"
  | "loop"
  | "lacking"
  | "refused"
  | "timeout"
  | "unreachable"
  | "no_address"
  | "dns"
  | "guarded"
  | "drained"
  | "paused"
  | "unhealthy"
  | "asleep"
  | "full"
  | "another_subject"
  | "other";

/** Which request paths a rule takes. Compared decoded, cleaned (RFC 3986 section 6.2.2) and with case. */
export interface IngressPath {
  /** `prefix` matches on segment borders (`/api` takes `/api` and `/api/v1`, not `/apiv1`); `exact` takes the path alone. */
  readonly type: "prefix" | "exact";
  /** An absolute path without `*`, `{` or `}`. */
  readonly value: string;
}
export interface IngressMatchInput {
  /** `http` (default): requests. `tls`: TLS connections by the name that the client asks for (SNI), passed through undecrypted; hostname `*` takes those that no other rule takes, without a name too. `tcp`: every connection of the port; with the rule's `tls` ended here, by name. `udp`: every packet of the port. */
  readonly protocol?: "http" | "tls" | "tcp" | "udp";
  /** Needed but for `tcp` and `udp`. Literal (`shop.example.com`), pattern (`{instance}.dev.example.com`), wildcard (`*.example.com`, one label a star) or `*` for every host. Compared without case and without a trailing dot. */
  readonly hostname?: string;
  /** Listen port. Absent, null or 0 means HTTP_PORT (80); with `tls`, absent, null, 0 or 80 means HTTPS_PORT (443). With protocol `tls` the default is HTTPS_PORT; `tcp` and `udp` need one. */
  readonly port?: number | null;
  readonly path?: IngressPath;
  /** HTTP methods the rule takes, in capitals. Absent means all. */
  readonly methods?: readonly string[];
  /** Request headers that must all be present with exactly these values. */
  readonly headers?: { readonly [k: string]: string };
}
export interface IngressMatch {
  /** `http` (default): requests. `tls`: TLS connections by the name that the client asks for (SNI), passed through undecrypted; hostname `*` takes those that no other rule takes, without a name too. `tcp`: every connection of the port; with the rule's `tls` ended here, by name. `udp`: every packet of the port. */
  readonly protocol?: "http" | "tls" | "tcp" | "udp";
  /** `*` for `tcp` and `udp`. Literal (`shop.example.com`), pattern (`{instance}.dev.example.com`), wildcard (`*.example.com`, one label a star) or `*` for every host. Compared without case and without a trailing dot. */
  readonly hostname: string;
  /** The listen port in use. */
  readonly port: number;
  readonly path?: IngressPath;
  /** HTTP methods the rule takes, in capitals. Absent means all. */
  readonly methods?: readonly string[];
  /** Request headers that must all be present with exactly these values. */
  readonly headers?: { readonly [k: string]: string };
}
/** Where requests go: exactly one of `instance`, `service` and `address`, and a port. */
export interface IngressTarget {
  /** Name or id of the instance, or a unique prefix of its id; answered and stored as its name. Under a pattern hostname: text with captures, such as `{instance}` or `{a}-{b}`. */
  readonly instance?: string;
  /** Every running instance whose `service` is this name. */
  readonly service?: string;
  /** IP address, or a DNS name that is resolved while requests run. */
  readonly address?: string;
  /** DNS servers for a name in `address`, as `ip` or `ip:port`. Default: those of the system. */
  readonly resolvers?: readonly string[];
  /** Port the instance listens on, 1 to 65535. */
  readonly port: number;
  /** Share of the requests among `targets`, however many instances a target has; 0 takes none. Default: 1. */
  readonly weight?: number;
  readonly mode?: TrafficMode;
  /** How long a request waits for a paused target before it gets 503, as `500ms`, `10s` or `1m`; at most 10m. Default: 30s. */
  readonly pause_timeout?: string;
  /** Start the instance through its source when a request arrives and it is `Standby` or `Stopped`. Needs INSTANCE_SOURCE=hypeman. Default: false. */
  readonly wake?: boolean;
  /** How long a request waits for an instance that is waking before it gets 503, as `10s` or `1m`; at most 10m. Default: 30s. */
  readonly wake_timeout?: string;
}
/** A request must carry this header with exactly this value; others get 403 without a lookup of the instance. What `access`, `rate_limit` and `maintenance` refuse is refused before. The header is removed before proxying. */
export interface RequestHeaderAuth {
  /** Name of a request header that has no other meaning in HTTP. */
  readonly header: string;
  /** 32 to 256 bytes of visible ASCII without `*`, `{` and `}`. */
  readonly value: string;
}
/** Certificates of clients (mutual TLS). */
export interface ClientAuth {
  /** PEM certificates of the authorities that client certificates are verified by. Needed unless `mode` is `request`. */
  readonly ca_pem?: string;
  /** `require`: no connection without a certificate of the authorities. `verify_if_given`: none is needed, a wrong one is refused. `request`: asked for and not verified. */
  readonly mode?: "require" | "verify_if_given" | "request";
}
/** Strict-Transport-Security (RFC 6797): browsers use https only from then on. */
export interface Hsts {
  /** How long browsers remember it, in seconds; 0 has them forget it. Default a year. */
  readonly max_age_seconds?: number;
  /** Whether it holds for every name below this one too. */
  readonly include_subdomains?: boolean;
  /** Consent to the browsers' built-in list; needs `include_subdomains` and a year or more. */
  readonly preload?: boolean;
}
/** How connections to this rule's host and port are secured. Rules of one host and port share one connection, so those that have options must have the same. Needs `tls`. */
export interface TlsOptions {
  /** Id or name of an imported certificate, instead of one that is issued. */
  readonly certificate?: string;
  /** Who signs: the ACME authority, or Caddy's own one, which no browser trusts. Default TLS_ISSUER. */
  readonly issuer?: "acme" | "internal";
  /** Lowest TLS version. */
  readonly min_version?: "1.2" | "1.3";
  readonly client_auth?: ClientAuth;
  readonly hsts?: Hsts;
}
/** TLS to the instance. Needs the scheme `https`. */
export interface UpstreamTls {
  /** Name that the instance's certificate must have. Needed unless verification is skipped, since instances are dialled by their address. */
  readonly server_name?: string;
  /** PEM certificates of the authorities that the instance's certificate is verified by. Default the system's. */
  readonly ca_pem?: string;
  /** Id or name of an imported certificate that is shown to the instance (mutual TLS). */
  readonly certificate?: string;
  /** Take any certificate. Whoever is between Caddy and the instance can then read and change everything; warned of in the log. */
  readonly insecure_skip_verify?: boolean;
}
/** Why the last order failed; a certificate that is served may have one too, when its renewal fails. */
export interface CertificateError {
  /** The authority's or the DNS provider's own words. */
  readonly message: string;
  readonly at: string;
  /** Orders that failed in a row. */
  readonly failures: number;
}
export interface Certificate {
  /** Of an imported certificate its id, of an issued one its name. */
  readonly id: string;
  /** Of an imported certificate, where it was given one. */
  readonly name?: string;
  readonly source: "acme" | "internal" | "imported";
  /** Hostnames on the certificate. */
  readonly names: readonly string[];
  readonly state: CertificateState;
  /** Distinguished name of who signed it. */
  readonly issuer?: string;
  /** Hexadecimal. */
  readonly serial?: string;
  readonly not_before?: string;
  readonly not_after?: string;
  /** When a third of its life is left and it is renewed at the latest; the authority may ask for it sooner (ARI, RFC 9773). Absent on imported ones. */
  readonly renews_at?: string;
  /** Whether it ends within TLS_EXPIRY_WARNING. */
  readonly expires_soon?: boolean;
  readonly error?: CertificateError;
  /** How many rules use it. */
  readonly used_by: number;
  readonly created_at?: string;
  readonly updated_at?: string;
}
export interface ImportCertificateRequest {
  /** By which rules may refer to it. A certificate of this name that exists is replaced, without an outage. */
  readonly name?: string;
  /** PEM: the certificate, then those that sign it, without the root. */
  readonly certificate_pem: string;
  /** PEM: its private key, without a passphrase. It is never answered or logged. */
  readonly key_pem: string;
}
export interface ExportRequest {
  /** By which the archive is encrypted; it is kept nowhere. Needed where there are imported certificates. */
  readonly passphrase?: string;
}
export interface ImportOptions {
  /** By which the archive was encrypted. */
  readonly passphrase?: string;
}
export interface ImportResult {
  /** The moment that the archive has. */
  readonly exported_at: string;
  readonly ingresses: number;
  readonly instances: number;
  /** Instances that take no requests. */
  readonly drained_or_paused: number;
  /** Imported ones. */
  readonly certificates: number;
  readonly tokens: number;
  /** Ingresses that were not served where the archive comes from, by name: they are in the archive for people, and were not imported. */
  readonly set_aside: readonly string[];
  /** Settings that were given there and are not here. Archives do not have their values. */
  readonly settings_not_given: readonly string[];
}
/** With limits, even empty ones, a token sees and changes the ingresses of its subject alone. */
export interface TokenLimits {
  /** Hostnames that rules may have. `*.team.example.com` covers one label before the suffix; `*` is every one. */
  readonly hostnames?: readonly string[];
  /** Instances that rules may lead to, by name. Services, addresses and `forward_auth` are not for such a token. */
  readonly instances?: readonly string[];
  /** Listen ports that rules may have. */
  readonly ports?: readonly number[];
  /** Policies that rules may have; `[]` is none. */
  readonly policies?: readonly string[];
  /** Imported certificates that rules may take, for their hostnames or to show to targets, by id or name; `[]` is none. */
  readonly certificates?: readonly string[];
}
export interface CreateTokenRequest {
  /** Lowercase letters, digits and hyphens, with a letter or digit at both ends. Unique among tokens. */
  readonly name: string;
  /** Who makes the changes that are made with the token. Default: its name. */
  readonly subject?: string;
  /** What it permits: no more than the token that it is made with. */
  readonly scopes: readonly Scope[];
  readonly limits?: TokenLimits;
  /** It ends so much later, such as `720h`. Without this and `expires_at` it has no end. */
  readonly expires_in?: string;
  /** It ends then. */
  readonly expires_at?: string;
}
export interface Token {
  readonly id: string;
  readonly name: string;
  /** Who makes the changes that are made with it. */
  readonly subject: string;
  readonly scopes: readonly Scope[];
  readonly limits?: TokenLimits;
  /** Subject of who made it. */
  readonly created_by: string;
  readonly created_at: string;
  /** Absent: it has no end. */
  readonly expires_at?: string;
  /** To the minute after a restart. Absent: it was never used. */
  readonly last_used_at?: string;
  /** What goes behind `Authorization: Bearer`. Only in the answer to `POST /tokens`. */
  readonly token?: string;
}
export interface CreateSessionRequest {
  /** What would go behind `Authorization: Bearer`. */
  readonly token?: string;
}
export interface Session {
  /** How the caller was let in: `open`, since no token is needed; by `Authorization`; by the cookie of a session. */
  readonly kind: "open" | "token" | "session";
  /** Who makes the caller's changes. */
  readonly subject: string;
  readonly token_id?: string;
  /** What the caller may do; `*` is everything. */
  readonly scopes: readonly Scope[];
  readonly limits?: TokenLimits;
  /** Absent: it has no end. */
  readonly expires_at?: string;
}
export interface Gateway {
  /** `GATEWAY_NAME`; absent where it has none. */
  readonly name?: string;
  readonly version: string;
  readonly started_at: string;
  /** The last revision of the ingresses that it serves; of others as of a second ago. */
  readonly revision: number;
  /** Whether it serves what is stored, as `/ready` says. */
  readonly ready: boolean;
  /** Whether it is the one that answers this call. */
  readonly answering: boolean;
}
export interface Finding {
  /** What was looked at: one word, stable for scripts. */
  check:
    | "settings"
    | "node"
    | "caddy-program"
    | "data"
    | "disk"
    | "clock"
    | "files"
    | "processes"
    | "served"
    | "token"
    | "ports"
    | "tls"
    | "authority"
    | "cloudflare"
    | "names";
  /** `problem`: requests are not served, or will not be. `warning`: they may not be, or not for ever. */
  readonly verdict: "ok" | "warning" | "problem";
  /** What is so. */
  readonly message: string;
  /** What to do; absent where all is well. */
  readonly remedy?: string;
}
export interface ServerStatus {
  /** `degraded`: something in `problems` wants attention. */
  readonly status: "ok" | "degraded";
  readonly version: string;
  readonly uptime_seconds: number;
  /** How many there are. */
  readonly ingresses: number;
  /** How many are in each state; `expiring` are those that end within TLS_EXPIRY_WARNING. */
  readonly certificates: {
    readonly ready: number;
    readonly pending: number;
    readonly failed: number;
    readonly expired: number;
    readonly idle: number;
    readonly expiring: number;
  };
  /** Caddy processes that a newer build has replaced, and that finish their requests and streams. */
  readonly draining: {
    readonly pid: number;
    /** When it was replaced. */
    readonly since: string;
    /** When what is left is closed: DRAIN_TIMEOUT later. */
    readonly until: string;
  }[];
  /** One sentence each. */
  readonly problems: readonly string[];
}
/** How Caddy speaks with the instance. */
export interface Upstream {
  /** `h2c` is HTTP/2 without TLS, as gRPC servers speak it. */
  readonly scheme?: "http" | "https" | "h2c";
  /** Begin each connection with a PROXY protocol header that has the client's address. The instance must expect it. */
  readonly proxy_protocol?: "v1" | "v2";
  readonly tls?: UpstreamTls;
  /** Host header sent to the instance, with a port where it has one. Default: the one that the client sent. */
  readonly host_header?: string;
  /** Protocols that a connection may switch to (`Upgrade`, RFC 9110 section 7.8), without case. Requests for others go on without their `Upgrade`. HTTP and TLS are refused: what follows would pass by every rule. `[]` allows none. */
  readonly upgrade?: readonly string[];
}
/** Which client addresses may send requests; others get 403. `deny` is asked first. */
export interface AccessPolicy {
  /** IP addresses and networks that may; absent means all. */
  readonly allow?: readonly string[];
  /** IP addresses and networks that may not, even when `allow` has them. */
  readonly deny?: readonly string[];
}
/** How many requests a client may send to this rule; those beyond get 429 with Retry-After. */
export interface RateLimitPolicy {
  /** Average rate, 0.001 to 100000. */
  readonly requests_per_second: number;
  /** Requests that may come at once. Default: one second's worth, at least 1. */
  readonly burst?: number;
  /** What is counted by itself: `client_ip` (IPv6 by /64), `rule` for all requests of the rule together, or `header:X-Api-Key` for each value of a request header. */
  readonly key?: string;
  /** Whose requests are counted together: those that come to one gateway, or, with `STORE=etcd`, those that come to all gateways. These tell each other of their counts up to ten times a second, so that more than the rate may pass meanwhile. */
  readonly scope?: "gateway" | "cluster";
  /** IP addresses and networks that are not counted. */
  readonly exempt?: readonly string[];
}
/** User name and password (RFC 7617); without them 401. The Authorization header goes on to the instance. */
export interface BasicAuthPolicy {
  /** User name → hash of the password: bcrypt (`$2a$`, `$2b$`, `$2y$`) or argon2id (`$argon2id$`), one kind for all. `caddy hash-password` and `htpasswd -nB` make them. */
  readonly users: { readonly [k: string]: string };
}
/** Asks another service about each request, with its headers but not its body: an answer 2xx lets it pass, any other goes to the client. */
export interface ForwardAuthPolicy {
  /** http or https URL that is asked by GET. It gets X-Forwarded-Method, -Uri, -Host, -Proto and -For. A host `<instance>.<INTERNAL_DNS_ZONE>` is an instance. */
  readonly url: string;
  /** Headers of its answer that are set on the request, such as `Remote-User`. What the client sent under these names is removed. */
  readonly copy_headers?: readonly string[];
  /** How long the answer may take, as `500ms`, `10s` or `1m`. */
  readonly timeout?: string;
}
/** Changes to the headers of the request on its way to the instance. A name may stand in one of the three only. */
export interface RequestHeaderChanges {
  /** Header → value that replaces what was there. */
  readonly set?: { readonly [k: string]: string };
  /** Header → value that is added to what was there. */
  readonly add?: { readonly [k: string]: string };
  /** Headers that are taken out. */
  readonly remove?: readonly string[];
}
/** Changes to the headers of the response on its way to the client. A name may stand in one of the three only. */
export interface ResponseHeaderChanges {
  /** Header → value that replaces what was there. */
  readonly set?: { readonly [k: string]: string };
  /** Header → value that is added to what was there. */
  readonly add?: { readonly [k: string]: string };
  /** Headers that are taken out. */
  readonly remove?: readonly string[];
}
/** Changes to headers. Values are literal. */
export interface HeadersPolicy {
  readonly request?: RequestHeaderChanges;
  readonly response?: ResponseHeaderChanges;
}
/** Changes the path on its way to the instance; the query stays. Exactly one of the keys. */
export interface RewritePolicy {
  /** Takes this prefix off paths that have it, on a segment border: with `/api`, `/api/v1` becomes `/v1`. */
  readonly strip_prefix?: string;
  /** Puts this in the place of the rule's own path, which must be a prefix: with `/api` there and `/v2` here, `/api/x` becomes `/v2/x`. */
  readonly replace_prefix?: string;
  /** The whole path. */
  readonly replace_path?: string;
}
/** How long Caddy waits for the instance; then 502 or 504. `read_idle` is for the client. No limit ever ends a response that has begun. */
export interface TimeoutsPolicy {
  /** For a connection, as `500ms`, `3s` or `1m`. Default: UPSTREAM_CONNECT_TIMEOUT, with the protocols tls, tcp and udp 30s. */
  readonly connect?: string;
  /** Without a byte either way, with the protocols tls, tcp and udp. Default: 1h, with udp 30s. */
  readonly idle?: string;
  /** For the first byte of the response, as `500ms`, `30s` or `1m`. Default: no limit. */
  readonly response_header?: string;
  /** For more of the request's body, until the response begins; then 408. Default: READ_IDLE_TIMEOUT, and for gRPC to `https` and `h2c` instances no limit. */
  readonly read_idle?: string;
}
/** Answers 503 with Retry-After instead of proxying. */
export interface MaintenancePolicy {
  /** Text of the page. Default: that the ingress is under maintenance. */
  readonly message?: string;
  /** IP addresses and networks that are proxied all the same. */
  readonly exempt?: readonly string[];
}
/** Status (`502`, or `4xx` and `5xx` for a class) → page that is sent instead of Gatewright's own; HTML when it begins with `<`. Responses of the instance stay as they are, and clients that prefer JSON get JSON. */
export interface ErrorPages {
  readonly [k: string]: string;
}
/** Which of the addresses behind a rule takes a request. Weights of targets count under each policy but `first`. */
export interface LoadBalancingPolicy {
  /** `ip_hash`, `header` and `uri_hash` send equal clients, header values and URIs to the same address; `cookie` sets a cookie for that; `first` takes the first target that is available. */
  readonly policy?: "round_robin" | "least_conn" | "random" | "ip_hash" | "cookie" | "header" | "uri_hash" | "first";
  /** Name of the request header for `header`; requests without it go by `round_robin`. */
  readonly header?: string;
  /** Name of the cookie for `cookie`. Default: `gatewright`. */
  readonly cookie?: string;
  /** How often a request is tried again when no connection was made (and a GET when it was lost before an answer). Default: 1, of a pool or service 2, with `try_duration` as often as it lasts. */
  readonly retries?: number;
  /** How long a request waits for a target that is available, as `500ms` or `5s`; at most 10m. Default: not at all. */
  readonly try_duration?: string;
}
/** GET requests of Gatewright's own to each address; one that fails them takes no requests of this rule. */
export interface ActiveHealthCheck {
  /** Path and query that is asked for. Default: `/`. */
  readonly path?: string;
  /** Port that is asked. Default: the target's. */
  readonly port?: number;
  /** Host header of the check, and over https its server name when `upstream.tls` has none. Default: the address. */
  readonly host?: string;
  /** Time from one check to the next, 100ms to 1h. Default: 10s. */
  readonly interval?: string;
  /** Time for a whole answer, 10ms to 1m. Default: 2s. */
  readonly timeout?: string;
  /** The status that is healthy. Default: any from 200 to 299. */
  readonly status?: number;
  /** Checks in a row that must pass for an unhealthy address to be healthy again. Default: 1. */
  readonly healthy_threshold?: number;
  /** Checks in a row that must fail for an address to be unhealthy. Default: 2. */
  readonly unhealthy_threshold?: number;
}
/** An address with which real requests fail takes none for a while. */
export interface PassiveHealthCheck {
  /** Failed connections within `fail_duration` that make it so. Default: 1. */
  readonly max_fails?: number;
  /** How long failures count, and the address is left out; 100ms to 1h. Default: 30s. */
  readonly fail_duration?: string;
}
export interface HealthCheckPolicy {
  readonly active?: ActiveHealthCheck;
  readonly passive?: PassiveHealthCheck;
}
/** What is done with the rule's requests, in this order: `access_log`, `unclean_paths`, `access`, `rate_limit`, `maintenance`, `request_header_auth` of the rule, `basic_auth`, `forward_auth`, `headers`, `compress`, `max_request_body`, `rewrite`, the proxy. */
export interface Policies {
  /** Which of the rule's requests, or connections of layer 4, get a line in the access log: none, those that failed (a status of 400 or more, or an answer that was cut short), or all. Default: `ACCESS_LOG`. */
  readonly access_log?: "off" | "errors" | "all";
  /** What becomes of paths that servers read in more than one way, by `.` and `..` segments, `//`, `%2f`, `\` or `%5c`, or control characters such as `%00`: `clean` has the instance asked for the path that the rule was found by (and answers 400 for `\` and control characters), `reject` answers 400, `keep` passes them on as they came. Default: `clean` where the host has rules of paths or the rule has `forward_auth`, else `keep`. */
  readonly unclean_paths?: "clean" | "reject" | "keep";
  readonly access?: AccessPolicy;
  readonly rate_limit?: RateLimitPolicy;
  readonly basic_auth?: BasicAuthPolicy;
  readonly forward_auth?: ForwardAuthPolicy;
  readonly headers?: HeadersPolicy;
  readonly rewrite?: RewritePolicy;
  readonly load_balancing?: LoadBalancingPolicy;
  readonly health_check?: HealthCheckPolicy;
  readonly timeouts?: TimeoutsPolicy;
  /** Connections that one address of a target has at once, with the protocols tls, tcp and udp; those beyond go to other addresses or are closed. Default: no limit, with udp 10000. */
  readonly max_connections?: number;
  /** Largest request body, as `512KB`, `10MB` or `1GiB`; more gets 413. Default: no limit. */
  readonly max_request_body?: string;
  /** Compress responses by zstd or gzip for clients that take it. Default: as the instance sent them. */
  readonly compress?: boolean;
  readonly maintenance?: MaintenancePolicy;
  readonly error_pages?: ErrorPages;
}
export interface IngressRuleInput {
  readonly match: IngressMatchInput;
  readonly target?: IngressTarget;
  /** A pool, instead of `target`. */
  readonly targets?: readonly IngressTarget[];
  /** Serve HTTPS with a certificate for this hostname. */
  readonly tls?: boolean;
  /** Redirect HTTP_PORT of this hostname to the rule's HTTPS port. Needs `tls`. */
  readonly redirect_http?: boolean;
  readonly tls_options?: TlsOptions;
  readonly request_header_auth?: RequestHeaderAuth;
  readonly upstream?: Upstream;
  readonly policies?: Policies;
}
export interface IngressRule {
  readonly match: IngressMatch;
  readonly target?: IngressTarget;
  /** A pool, instead of `target`. */
  readonly targets?: readonly IngressTarget[];
  /** Serve HTTPS with a certificate for this hostname. */
  readonly tls: boolean;
  /** Redirect HTTP_PORT of this hostname to the rule's HTTPS port. Needs `tls`. */
  readonly redirect_http: boolean;
  readonly tls_options?: TlsOptions;
  readonly request_header_auth?: RequestHeaderAuth;
  readonly upstream?: Upstream;
  readonly policies?: Policies;
}
/** Labels of your own. Keys and values take letters, digits, spaces and `_.:/=+@-`. */
export interface Tags {
  readonly [k: string]: string;
}
export interface CreateIngressRequest {
  /** Ignored, so that what GET answers can be sent: a new ingress has a new id. `POST /apply` keeps it. */
  readonly id?: string;
  /** Ignored. */
  readonly created_at?: string;
  /** Ignored. */
  readonly updated_at?: string;
  /** Ignored: whose token creates it is its owner. */
  readonly owner?: string;
  readonly name: IngressName;
  readonly tags?: Tags;
  /** IP addresses of this machine that the rules are served on. Absent: CADDY_LISTEN_ADDRESS. */
  readonly listen?: readonly string[];
  /** Names (GATEWAY_NAME) of the Gatewrights that serve the rules. Absent: all. */
  readonly gateways?: readonly string[];
  readonly rules: readonly IngressRuleInput[];
}
/** An ingress that is stored and not served. PUT replaces it, DELETE removes it. */
export interface SetAsideIngress {
  /** Its file is `DATA_DIR/ingresses/{id}.json`. */
  readonly id: string;
  /** Absent where the file does not tell. */
  readonly name?: string;
  /** `conflict`: another ingress that was changed later claims the same. `unreadable`: its file is damaged or breaks a rule. `refused`: it was made at another gateway, and the Caddy of this one refuses it. */
  readonly reason: "conflict" | "unreadable" | "refused";
  /** What stands against it. */
  readonly problems: readonly Problem[];
  /** Those that stay claimed. */
  readonly hostnames: readonly string[];
  /** Ports of layer 4 that stay claimed, such as `5432/tcp`. */
  readonly ports: readonly string[];
  readonly ingress?: Ingress;
  /** The first 16 KiB of a file that cannot be read. */
  readonly text?: string;
}
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  /** Where in the document, such as `rules[0].match.path`. */
  readonly field?: string;
}
export interface Ingress {
  /** 24 letters and digits, a letter first (the form of CUID2). */
  readonly id: string;
  readonly name: IngressName;
  readonly tags?: Tags;
  /** IP addresses of this machine that the rules are served on. Absent: CADDY_LISTEN_ADDRESS. */
  readonly listen?: readonly string[];
  /** Names (GATEWAY_NAME) of the Gatewrights that serve the rules. Absent: all. */
  readonly gateways?: readonly string[];
  /** Subject of who created it. Absent: nobody's, as what is created without a token is. */
  readonly owner?: string;
  readonly rules: readonly IngressRule[];
  readonly created_at: string;
  readonly updated_at: string;
}
export interface InstanceNetwork {
  readonly enabled: boolean;
  /** IPv4 or IPv6 address; null while the instance has none. */
  readonly ip: string | null;
  readonly mac?: string | null;
  readonly name?: string | null;
}
export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly state: InstanceState;
  readonly network: InstanceNetwork;
  /** The service this instance belongs to. */
  readonly service?: string;
  readonly tags?: Tags;
  readonly created_at: string;
  readonly updated_at?: string;
}
/** An instance of the embedded registry. What GET answers can be sent back. */
export interface PutInstanceRequest {
  /** Id of a new instance; one is made when absent. An existing instance keeps its own. */
  readonly id?: string;
  readonly name?: InstanceName;
  readonly state?: InstanceState;
  readonly network: {
    readonly enabled?: boolean;
    /** IPv4 or IPv6 address; null while the instance has none. */
    readonly ip: string | null;
    readonly mac?: string | null;
    readonly name?: string | null;
  };
  /** The service this instance belongs to; lowercase letters, digits and hyphens. */
  readonly service?: string;
  readonly tags?: Tags;
  readonly created_at?: string;
  readonly updated_at?: string;
}
export interface ErrorResponse {
  readonly code: ErrorCode;
  readonly message: string;
  /** Every problem of the document, the first failing one first. */
  readonly details?: readonly Problem[];
}
/** The whole ingress. What GET answers can be sent back. */
export interface ReplaceIngressRequest {
  /** Ignored; must be the resource's own id when given. */
  readonly id?: string;
  /** Ignored. */
  readonly created_at?: string;
  /** Ignored. */
  readonly updated_at?: string;
  /** Ignored. In a set, of an ingress that does not exist: whose it is. */
  readonly owner?: string;
  readonly name: IngressName;
  readonly tags?: Tags;
  /** IP addresses of this machine that the rules are served on. Absent: CADDY_LISTEN_ADDRESS. */
  readonly listen?: readonly string[];
  /** Names (GATEWAY_NAME) of the Gatewrights that serve the rules. Absent: all. */
  readonly gateways?: readonly string[];
  readonly rules: readonly IngressRuleInput[];
}
/** A JSON merge patch (RFC 7396): keys that are given replace, null removes, arrays are replaced whole. */
export interface PatchIngressRequest {
  /** Ignored; must be the resource's own id when given. */
  readonly id?: string;
  /** Ignored. */
  readonly created_at?: string;
  /** Ignored. */
  readonly updated_at?: string;
  /** Ignored. In a set, of an ingress that does not exist: whose it is. */
  readonly owner?: string;
  readonly name?: IngressName;
  readonly tags?: { readonly [k: string]: string | null } | null;
  /** IP addresses of this machine that the rules are served on. Absent: CADDY_LISTEN_ADDRESS. */
  readonly listen?: readonly string[] | null;
  /** Names (GATEWAY_NAME) of the Gatewrights that serve the rules. Absent: all. */
  readonly gateways?: readonly string[] | null;
  readonly rules?: readonly IngressRuleInput[];
}
export interface Health {
  readonly status: "ok";
}
/** One thing in which two documents differ. */
export interface Difference {
  /** Where: `tags.team`, `rules[0].target.port`. A rule's place is that after the change. */
  readonly field: string;
  /** The same in words. */
  readonly text: string;
}
/** What becomes of one ingress. */
export interface PlannedChange {
  readonly op: "created" | "changed" | "deleted";
  /** Of the ingress. That of one that is still to be created may be another in the end. */
  readonly id: string;
  readonly name?: string;
  /** Of a deletion there are none. */
  readonly differences: readonly Difference[];
  /** What would be answered otherwise. Absent: none, or Caddy did not tell. */
  readonly traffic?: {
    /** Requests that the ingress took in the last 15 minutes. */
    readonly requests: number;
  };
}
/** Requests that another ingress would answer: by precedence those of a rule that goes fall to the next one below it, and one that comes takes them from there. Wildcards that cross each other (`*.a.test`, `b.*.test`) are left out. */
export interface PlanMove {
  /** Of the rule that comes or goes. */
  readonly hostname: string;
  readonly port: number;
  readonly path?: IngressPath;
  readonly from: PlanMoveEnd;
  readonly to?: PlanMoveEnd;
  /** Requests that `from` took in the last 15 minutes, for all of its hosts: so many at the most. Absent: none, or Caddy did not tell. */
  readonly requests?: number;
}
/** An ingress. Where there is none to go `to`, requests are answered by 404. */
export interface PlanMoveEnd {
  readonly id: string;
  readonly name: string;
}
/** What Caddy would run otherwise. */
export interface PlanEffect {
  /** Hosts whose requests another ingress would answer, or nobody. At most 1,000. */
  readonly moves: readonly PlanMove[];
  readonly rows: {
    /** Rows of the host table that come. */
    readonly added: number;
    /** Rows that change. */
    readonly changed: number;
    /** Rows that go. */
    readonly removed: number;
  };
  readonly policy_sets: {
    /** Policy sets that Caddy sets up. */
    readonly added: number;
    /** Policy sets that no row names any more. */
    readonly removed: number;
  };
  /** Listen ports. */
  readonly ports: {
    readonly opened: readonly number[];
    readonly closed: readonly number[];
  };
  readonly certificates: {
    /** Names that a certificate is got for: read where there is one, else signed or ordered. At most 1,000. */
    readonly wanted: readonly string[];
    /** Names whose certificates are not kept up any more. At most 1,000. */
    readonly released: readonly string[];
  };
  /** Caddy is given another configuration. Otherwise its host table alone changes. */
  readonly reload: boolean;
}
/** What a change would do. Nothing was changed. */
export interface Plan {
  /** Whether the change would be made. Where not, `problems` say why. */
  readonly accepted: boolean;
  /** The revision that was planned on. As `If-Match` of the call that applies it, it lets that call change nothing else. */
  readonly revision: number;
  /** Ingresses that are created. */
  readonly created: number;
  /** Ingresses that change. */
  readonly changed: number;
  /** Ingresses that are deleted. */
  readonly deleted: number;
  /** Ingresses of the set that are as they shall be. */
  readonly unchanged: number;
  readonly problems: readonly Problem[];
  /** The first 1,000. */
  readonly changes: readonly PlannedChange[];
  readonly effect?: PlanEffect;
}
export interface AppliedChange {
  readonly op: "created" | "changed" | "deleted";
  readonly id: string;
  readonly name?: string;
}
/** What was changed, all of it together. */
export interface ApplyResult {
  /** Of the ingresses from now on. That of before where nothing had to change. */
  readonly revision: number;
  /** Ingresses that are created. */
  readonly created: number;
  /** Ingresses that change. */
  readonly changed: number;
  /** Ingresses that are deleted. */
  readonly deleted: number;
  /** Ingresses of the set that are as they shall be. */
  readonly unchanged: number;
  /** The first 1,000. */
  readonly changes: readonly AppliedChange[];
}
/** Who made a change, and why. */
export interface Author {
  readonly actor: Actor;
  /** Why, in their words. */
  readonly message?: string;
}
/** Who makes a change. */
export interface Actor {
  /** The claim `sub` of the token, or the `subject` of one that was made here; `unnamed` for a token without one, `anonymous` where the API is open, `gatewright` for what Gatewright does by itself. */
  readonly subject: string;
  /** The claim `jti` of the token, or the id of one that was made here. */
  readonly token_id?: string;
  /** IP address at the other end of the connection. */
  readonly address?: string;
  /** The request's `X-Request-ID`. */
  readonly request_id?: string;
  /** `follow`: made at another gateway. */
  readonly via: "api" | "follow" | "internal";
}
/** A commit of ingresses. */
export interface RevisionSummary {
  readonly revision: number;
  readonly at: string;
  /** Changes that came at once go together, whoever made them. */
  readonly authors: readonly Author[];
  /** Ingresses that are created. */
  readonly created: number;
  /** Ingresses that change. */
  readonly changed: number;
  /** Ingresses that are deleted. */
  readonly deleted: number;
  /** The first 10. */
  readonly changes: readonly AppliedChange[];
}
export interface RevisionChange {
  readonly op: "created" | "changed" | "deleted";
  readonly id: string;
  readonly name?: string;
  /** A place in `authors`. */
  readonly author: number;
  readonly before?: Ingress;
  readonly after?: Ingress;
  readonly differences: readonly Difference[];
}
/** A commit of ingresses with its documents. */
export interface Revision {
  readonly revision: number;
  readonly at: string;
  /** Changes that came at once go together, whoever made them. */
  readonly authors: readonly Author[];
  /** Ingresses that are created. */
  readonly created: number;
  /** Ingresses that change. */
  readonly changed: number;
  /** Ingresses that are deleted. */
  readonly deleted: number;
  readonly changes: readonly RevisionChange[];
}
/** One change, as the call of its name would make it. */
export interface PlanChange {
  readonly create?: CreateIngressRequest;
  readonly replace?: {
    readonly id: string;
    readonly ingress: ReplaceIngressRequest;
  };
  readonly patch?: {
    readonly id: string;
    readonly patch: PatchIngressRequest;
  };
  readonly delete?: {
    readonly id: string;
  };
}
export interface Condition {
  /** `Accepted`, `Programmed`, `TargetsResolved` or `CertificateReady`; more may come. */
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** One word in CamelCase, for programs. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  /** When `status` last changed. */
  readonly last_transition_time: string;
}
export interface TargetAddressStatus {
  /** `ip:port` that requests go to. */
  readonly address: string;
  /** By active checks: `unknown` before enough of them were made, `unchecked` without a check. */
  readonly health: "healthy" | "unhealthy" | "unknown" | "unchecked";
  /** When `health` last changed. */
  readonly since?: string;
  /** Of a rule of layer 4. */
  readonly active_connections?: number;
  /** What the last connection of a rule of layer 4 found. */
  readonly reachable?: boolean;
  /** What the last check or connection found. */
  readonly message?: string;
}
export interface TargetStatus {
  readonly target: IngressTarget;
  /** Whether there is an address now. False for targets with captures, which are known at request time. */
  readonly resolved: boolean;
  /** Why there is no address. */
  readonly reason?: string;
  readonly mode: TrafficMode;
  readonly addresses: readonly TargetAddressStatus[];
}
/** Connections of a rule of layer 4 since Caddy started. */
export interface ConnectionCounts {
  readonly active: number;
  readonly total: number;
  /** No target could be connected. */
  readonly failed: number;
  /** Turned away by `policies.access`. */
  readonly refused: number;
  /** From clients. */
  readonly received_bytes: number;
  /** To clients. */
  readonly sent_bytes: number;
  readonly last_error?: string;
  readonly last_error_at?: string;
}
export interface RuleStatus {
  readonly hostname: string;
  readonly port: number;
  /** Absent: http. */
  readonly protocol?: string;
  readonly connections?: ConnectionCounts;
  readonly targets: readonly TargetStatus[];
}
/** What another gateway makes of an ingress. One that answers, and has neither `conditions` nor `set_aside`, does not have it yet. */
export interface GatewayIngressStatus {
  /** Its `GATEWAY_NAME`. */
  readonly name: string;
  /** Whether it answered within two seconds. */
  readonly answered: boolean;
  /** The last revision of the ingresses that it serves. */
  readonly revision?: number;
  readonly conditions?: readonly Condition[];
  /** The health of targets, as it finds it. */
  readonly rules?: readonly RuleStatus[];
  /** Why it does not serve the ingress, which stays stored as it is. */
  readonly set_aside?: readonly Problem[];
}
export interface IngressStatus {
  readonly id: string;
  readonly name: IngressName;
  readonly conditions: readonly Condition[];
  /** In the order of the ingress's rules. */
  readonly rules: readonly RuleStatus[];
  /** With `gateways=all`: the other gateways that live, by name. */
  readonly gateways?: readonly GatewayIngressStatus[];
}
export interface TargetTraffic {
  /** Instance, service or address of the rule, with its port. */
  readonly target: string;
  /** `ip:port`, where it was at the time. */
  readonly address: string;
  /** Requests that were sent there, tried again ones included. */
  readonly requests: number;
  /** Those that got no answer from there. */
  readonly failures: number;
  /** Seconds in which 95 % were answered; absent where none was. */
  readonly p95?: number;
}
export interface TrafficWindow {
  /** How long the stretch of time is, up to now: 60, 300 or 900. */
  readonly seconds: number;
  readonly requests: number;
  /** Requests a second. */
  readonly rate: number;
  /** How many were answered with each status. */
  readonly statuses: { readonly [k: string]: number };
  /** Seconds in which half of the requests were answered; absent where there was none. */
  readonly p50?: number;
  /** The same of 95 %. */
  readonly p95?: number;
  /** The same of 99 %. */
  readonly p99?: number;
  /** Of bodies, from clients. */
  readonly received_bytes: number;
  /** Of bodies, to clients. */
  readonly sent_bytes: number;
  readonly targets: readonly TargetTraffic[];
}
export interface IngressTraffic {
  readonly id: string;
  readonly name: IngressName;
  /** The shortest first. */
  readonly windows: readonly TrafficWindow[];
}
export interface CaddyLogEntry {
  /** Grows by one, and over restarts of the manager by more. */
  readonly id: number;
  readonly time: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: { readonly [k: string]: unknown };
}
export interface TrafficMinute {
  /** When it began. */
  readonly at: string;
  readonly requests: number;
  /** Requests that were answered with 500 and above. */
  readonly errors: number;
}
export interface TrafficHistory {
  /** Sixty, the oldest first; the last one is the present minute. Of what was before the start of the manager there are fifteen at the most. */
  readonly minutes: readonly TrafficMinute[];
}
export interface EventReference {
  readonly id?: string;
  readonly name?: string;
  /** Of an ingress that has one. */
  readonly owner?: string;
}
export interface Event {
  /** Grows with each event, over restarts too, and skips numbers. */
  readonly id: number;
  readonly time: string;
  readonly type: EventType;
  /** What happened, in words. */
  readonly message: string;
  readonly ingress?: EventReference;
  readonly instance?: EventReference;
  readonly certificate?: EventReference;
  readonly token?: EventReference;
  readonly actor?: Actor;
  /** Why, in the words of who made the change: its `X-Change-Message`. */
  readonly change_message?: string;
  /** More of what happened, by its type. */
  readonly data?: { readonly [k: string]: unknown };
}
/** A request that nobody sends. */
export interface ExplainRequest {
  /** What the client asks for: `http://` or `https://`, or `tls://name:port`, `tcp://host:port`, `udp://host:port` for rules of layer 4. Without a port: HTTP_PORT or HTTPS_PORT. */
  readonly url: string;
  /** Default: GET. */
  readonly method?: string;
  /** Headers of the request. Their values are never repeated. */
  readonly headers?: { readonly [k: string]: string };
  /** Address that the connection comes from; one of TRUSTED_PROXIES may name another in X-Forwarded-For. Default: 192.0.2.1, of the documentation. */
  readonly client_ip?: string;
  /** Name in the TLS handshake. Default: the host of the URL; "" for none. */
  readonly sni?: string;
  /** Address of this machine that the connection comes to. Matters for ingresses with `listen`. */
  readonly listen_address?: string;
  /** Have Caddy connect to the addresses that could take the request, for 3 s at the most, and close these connections. Default: false; nothing is connected to. */
  readonly connect?: boolean;
}
/** A rule of an ingress. */
export interface ExplainedRow {
  /** Id of the ingress. */
  readonly id: string;
  /** Name of the ingress. */
  readonly name: string;
  /** Number of the rule in it, from 0. */
  readonly rule: number;
  /** It is the side of `redirect_http` on HTTP_PORT. */
  readonly redirect?: boolean;
}
/** A rule of the host that was asked before, and does not take the request. */
export interface ExplainedConsidered {
  readonly ingress: ExplainedRow;
  /** The rule's, with `*` for captures. */
  readonly hostname: string;
  /** What sets it apart; `host` for a rule of layer 4. */
  readonly lacks: "host" | "path" | "method" | "headers" | "address" | "scheme";
}
export interface ExplainedCertificate {
  readonly names: readonly string[];
  readonly issuer: string;
  readonly not_after: string;
  /** It is not ordered and renewed here. */
  readonly imported?: boolean;
}
/** How TLS is ended. Absent for plain connections, and for those that are passed through. */
export interface ExplainedTls {
  /** Lowest version of TLS. */
  readonly min_version: string;
  /** What is asked of the client; absent: nothing. */
  readonly client_certificate?: "require" | "verify_if_given" | "request";
  readonly certificate?: ExplainedCertificate;
  /** Why the handshake fails, with a client that shows no certificate. */
  readonly error?: string;
}
export interface ExplainedPolicy {
  /** Its key in the rule; `proxy` is the way to the instance, `always` what every rule has. */
  readonly policy: string;
  /** `not_asked` where asking would have an effect. */
  readonly verdict: "passed" | "refused" | "not_asked";
  /** Of the refusal. */
  readonly status?: number;
  /** Of the refusal, as in the log. */
  readonly reason?: string;
  /** The one that the client's address is in, where networks decide. */
  readonly network?: string;
  readonly limit?: {
    /** Requests in the window so far; explaining takes none. */
    readonly used: number;
    /** Requests that a window has. */
    readonly events: number;
    readonly window_seconds: number;
    /** The client is not counted. */
    readonly exempt?: boolean;
  };
  /** Largest body. */
  readonly max_bytes?: number;
  /** The service that a request would be checked by; it was not asked. */
  readonly asks?: string;
}
/** The request as an instance gets it, but for what every proxy adds (X-Forwarded-For and its like). */
export interface ExplainedForward {
  readonly method: string;
  /** Path and query that the instance is asked for. */
  readonly uri: string;
  /** The Host header. */
  readonly host: string;
  /** Names of headers that are added or changed. */
  readonly headers_set?: readonly string[];
  /** Names of headers that are taken out. */
  readonly headers_removed?: readonly string[];
}
export interface ExplainedAddress {
  /** Number of the target in the rule, from 0. */
  readonly target: number;
  /** Of the instance, service or host. */
  readonly name?: string;
  /** `ip:port`; absent where there is none. */
  readonly address?: string;
  /** `ready` addresses take requests. */
  state:
    | "ready"
    | "drained"
    | "paused"
    | "unhealthy"
    | "unchecked"
    | "failing"
    | "forbidden"
    | "no_address"
    | "no_answer"
    | "unknown"
    | "no_weight";
  readonly reason?: string;
  /** It takes the request. Of several `ready` ones without a chosen one, the next in turn does. */
  readonly chosen?: boolean;
  /** With `connect`: `open`, `refused`, `timeout` or `unreachable`. */
  readonly connection?: string;
}
export interface ExplainedTargets {
  /** How one address of several is chosen. */
  readonly policy: string;
  readonly addresses: readonly ExplainedAddress[];
  /** Addresses beyond the list. */
  readonly more?: number;
  /** Why no address takes the request. */
  readonly error?: string;
  /** How long the request waits for one at the most. */
  readonly wait_ms?: number;
  /** Instances that it has started. */
  readonly wakes?: readonly string[];
}
/** What the client gets from Gatewright itself. */
export interface ExplainedAnswer {
  readonly status: number;
  readonly location?: string;
  readonly retry_after?: string;
  readonly content_type?: string;
  /** Its first 4 KiB. */
  readonly body?: string;
}
/** Where what runs is not what is stored. */
export interface ExplainedDifference {
  code:
    | "table_differs"
    | "not_programmed"
    | "other_gateway"
    | "port_not_served"
    | "set_aside"
    | "policy_set_differs"
    | "row_of_no_ingress"
    | "other_port"
    | "listen_address";
  readonly message: string;
  readonly ingress?: ExplainedRow;
}
/** The last request of the rule that had no whole answer of an instance, since Caddy was started: what cannot be explained without asking the instance. */
export interface ExplainedFailure {
  readonly at: string;
  /** In the word of metrics. */
  readonly cause: string;
  /** What the client got. */
  readonly status?: number;
  /** Name of the last target that was tried. */
  readonly target?: string;
  /** Its address. */
  readonly address?: string;
}
/** What becomes of a request, found by the running Caddy. */
export interface Explanation {
  /** `instance`: a target gets it; `answer`: Gatewright answers; `closed`: the connection ends without an answer; `unserved`: nothing listens there; `another_subject`: a rule that is not the caller's takes it, of which a token with limits is told nothing. */
  readonly outcome: "instance" | "answer" | "closed" | "unserved" | "another_subject";
  readonly reason: ExplainReason;
  /** The reason in a sentence. */
  readonly message: string;
  readonly ingress?: ExplainedRow;
  readonly answer?: ExplainedAnswer;
  /** In the order of precedence; at most 50. */
  readonly considered: readonly ExplainedConsidered[];
  /** Rules beyond the list. */
  readonly considered_more?: number;
  readonly tls?: ExplainedTls;
  /** In their order, until one refuses. */
  readonly policies: readonly ExplainedPolicy[];
  readonly forwarded?: ExplainedForward;
  readonly targets?: ExplainedTargets;
  readonly differences: readonly ExplainedDifference[];
  /** Those of the ingress that are not `True`. */
  readonly conditions: readonly Condition[];
  readonly last_failure?: ExplainedFailure;
  /** Where no rule has the host: hostnames of rules that look like it. */
  readonly nearest_hostnames?: readonly string[];
}
/** What runs, in Caddy's own terms, which may change from version to version. */
export interface RunningConfig {
  /** What Caddy says that it runs: versions of configuration and host table, numbers of loads and changes in its process. */
  readonly versions: { readonly [k: string]: unknown };
  /** Caddy's configuration; absent where rows are selected. */
  readonly caddy?: { readonly [k: string]: unknown };
  /** Rows of the host table by ascending id, `<ingress id>/<rule>`. */
  readonly rows: { readonly [k: string]: unknown }[];
  /** Handlers of Caddy's by the key that rows name them by. */
  readonly policy_sets: { readonly [k: string]: unknown };
}
export interface InstanceTraffic {
  readonly mode: TrafficMode;
  /** How long a request waits for the paused instance before it gets 503, as `10s` or `1m`; at most 10m. Default: 30s. */
  readonly pause_timeout?: string;
  /** When the mode was set; absent for `active`. */
  readonly since?: string;
}
export interface PutInstanceTrafficRequest {
  readonly mode: TrafficMode;
  /** For `pause`: how long a request waits before it gets 503, as `10s` or `1m`; at most 10m. Default: 30s. */
  readonly pause_timeout?: string;
}
export interface Readiness {
  readonly status: "ready" | "not_ready";
  /** Why it is not ready; empty when it is. */
  readonly reasons: readonly string[];
}
