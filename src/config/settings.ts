import type { Kind } from "./kinds.ts";

/** One environment variable that Gatewright reads. */
export interface Setting {
  readonly name: string;
  readonly kind: Kind;
  /** Taken when the variable is missing or empty; "" means none. */
  readonly default: string;
  /** The only values it takes, where they are few. */
  readonly choices?: readonly string[];
  /** What it does, with the unit where there is one; whole sentences. */
  readonly effect: string;
  /** Shown in the examples instead of the default. */
  readonly example?: string;
  /** Shown instead of a default that depends on the machine. */
  readonly defaultText?: string;
}

export interface SettingGroup {
  readonly title: string;
  readonly settings: readonly Setting[];
}

export const logLevels = ["debug", "info", "warn", "error"] as const;

/** A level; entries below it are not written. */
export type LogLevel = (typeof logLevels)[number];

/** Parts with a log level of their own: `LOG_LEVEL_<NAME>`. */
export const subsystems = [
  "api",
  "caddy",
  "certificates",
  "dns",
  "events",
  "health",
  "ingress",
  "instances",
  "store",
  "telemetry",
  "traffic",
] as const;

export type Subsystem = (typeof subsystems)[number];

export const instanceSources = ["registry", "hypeman", "file"] as const;

export const storeKinds = ["files", "etcd"] as const;

export const driftPolicies = ["repair", "report"] as const;

export const accessLogModes = ["off", "errors", "all"] as const;

const accessLogOutputs = ["file", "stdout"] as const;

export const clientsInLogs = ["full", "masked", "none"] as const;

/** OpenTelemetry's own (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). */
export const traceSamplers = [
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
  "always_on",
  "always_off",
  "traceidratio",
] as const;

const traceExporters = ["otlp", "none"] as const;

export const otlpProtocols = ["grpc", "http/protobuf"] as const;

/** Every setting: the one list that reading, checking, `.env.example` and docs/configuration.md are made from. */
export const settingGroups: readonly SettingGroup[] = [
  {
    title: "REST API",
    settings: [
      { name: "PORT", kind: "port", default: "8080", effect: "TCP port of the REST API." },
      {
        name: "LISTEN_ADDRESS",
        kind: "listenAddresses",
        default: "127.0.0.1",
        effect:
          "Addresses of the REST API. Beyond loopback JWT_SECRET or JWT_JWKS_URL is needed. Whoever may open a socket may do everything, without a token; it gets mode 0600.",
      },
      {
        name: "LISTEN_SOCKET_GROUP",
        kind: "group",
        default: "",
        example: "gatewright",
        defaultText: "none",
        effect: "Group whose members may open the sockets of LISTEN_ADDRESS, too: they get mode 0660.",
      },
      {
        name: "API_HOSTNAME",
        kind: "hostname",
        default: "",
        example: "gatewright.example.com",
        defaultText: "none",
        effect:
          "Name by which the REST API is served through Caddy, beside LISTEN_ADDRESS: on HTTPS_PORT with a certificate of its own. No ingress can have the name.",
      },
      {
        name: "API_TLS",
        kind: "boolean",
        default: "true",
        effect:
          "Whether API_HOSTNAME is served over TLS. If not, it is on HTTP_PORT, where tokens travel in clear.",
      },
      {
        name: "API_REDIRECT_HTTP",
        kind: "boolean",
        default: "true",
        effect:
          "Whether requests for API_HOSTNAME on HTTP_PORT are redirected to HTTPS. Not used with API_TLS=false.",
      },
      {
        name: "JWT_SECRET",
        kind: "secret",
        default: "",
        effect:
          "Key that callers' tokens are signed with (HS256, HS384 or HS512). Without it and JWT_JWKS_URL every caller may do everything.",
      },
      {
        name: "JWT_SECRET_PREVIOUS",
        kind: "secret",
        default: "",
        effect:
          "The key of before: JWTs that are signed with it are taken too, while callers are given new ones.",
      },
      {
        name: "JWT_JWKS_URL",
        kind: "httpUrl",
        default: "",
        example: "https://id.example.com/.well-known/jwks.json",
        effect:
          "Where an identity provider has its public keys: its JWTs (RS256, ES256 or EdDSA) are taken too. They may do what their scopes say, and nothing without.",
      },
      {
        name: "JWT_ISSUER",
        kind: "text",
        default: "",
        example: "https://id.example.com/",
        effect: "What the claim `iss` of the identity provider's JWTs must be. Not looked at without.",
      },
      {
        name: "JWT_AUDIENCE",
        kind: "text",
        default: "",
        example: "gatewright",
        effect:
          "What the claim `aud` of the identity provider's JWTs must be or hold. Without it those that it signs for other applications are taken.",
      },
      {
        name: "API_SESSION_DURATION",
        kind: "duration",
        default: "12h",
        effect:
          "Time after which a session, which a browser begins by POST /session, ends. It ends with its token at the latest.",
      },
      {
        name: "API_ALLOWED_HOSTS",
        kind: "hosts",
        default: "",
        example: "gatewright.example.com",
        effect:
          "Further names by which browsers and clients may call the API, beside loopback, LISTEN_ADDRESS and API_HOSTNAME.",
      },
    ],
  },
  {
    title: "Data",
    settings: [
      {
        name: "DATA_DIR",
        kind: "path",
        default: "",
        defaultText:
          "`/var/lib/gatewright` for root, else `$XDG_STATE_HOME/gatewright` or `~/.local/state/gatewright`",
        example: "/var/lib/gatewright",
        effect:
          "Folder of everything that must outlive a restart. A data folder of hypeman can be taken over as it is.",
      },
    ],
  },
  {
    title: "Store",
    settings: [
      {
        name: "STORE",
        kind: "text",
        choices: storeKinds,
        default: "files",
        effect:
          "Where ingresses are stored: `files` below DATA_DIR, for one gateway, or `etcd`, for several that serve the same ones.",
      },
      {
        name: "ETCD_ENDPOINTS",
        kind: "etcdUrls",
        default: "",
        example: "https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379",
        effect: "etcd's client URLs. Needed for STORE=etcd; where one fails, the next is asked.",
      },
      {
        name: "ETCD_PREFIX",
        kind: "keyPrefix",
        default: "/gatewright/",
        effect: "What Gatewright's keys in etcd begin with. Gateways with the same prefix are one fleet.",
      },
      {
        name: "ETCD_USER",
        kind: "text",
        default: "",
        effect: "User of etcd that may read and write below ETCD_PREFIX. Default: none.",
      },
      { name: "ETCD_PASSWORD", kind: "secret", default: "", effect: "Password of ETCD_USER." },
      {
        name: "ETCD_CA",
        kind: "path",
        default: "",
        defaultText: "the system's",
        effect: "PEM file of the authorities that etcd's certificates are from.",
      },
      {
        name: "ETCD_CERT",
        kind: "path",
        default: "",
        effect:
          "PEM file of the client certificate for etcd. Where etcd's authentication is on, it must have no common name: etcd refuses that of its JSON gateway.",
      },
      { name: "ETCD_KEY", kind: "path", default: "", effect: "PEM file of the key of ETCD_CERT." },
      {
        name: "STORE_KEY",
        kind: "secret",
        default: "",
        effect:
          "Key that values in etcd are encrypted with: 32 random bytes in base64, the same on all gateways. Several with commas between them: the first encrypts, all decrypt.",
      },
    ],
  },
  {
    title: "Caddy",
    settings: [
      {
        name: "CADDY_LISTEN_ADDRESS",
        kind: "ip",
        default: "0.0.0.0",
        effect: "Address that all ports of ingresses are bound to.",
      },
      {
        name: "GATEWAY_NAME",
        kind: "name",
        default: "",
        example: "edge-1",
        defaultText: "none",
        effect:
          "Name of this Gatewright. Ingresses with `gateways` are served only where one of these is the name; others everywhere.",
      },
      {
        name: "HTTP_PORT",
        kind: "port",
        default: "80",
        effect:
          "Port of rules without TLS that name none, and of redirects to https. Stored rules keep the port that they were given when they were created: after a change, PUT them again.",
      },
      {
        name: "HTTPS_PORT",
        kind: "port",
        default: "443",
        effect: "Port of rules with TLS that name none.",
      },
      {
        name: "CADDY_ADMIN_ADDRESS",
        kind: "adminAddress",
        default: "",
        defaultText: "the socket `DATA_DIR/caddy/admin.sock`; 127.0.0.1 where CADDY_ADMIN_PORT is set",
        example: "unix//run/gatewright/caddy.sock",
        effect:
          "Address of Caddy's admin endpoint: a Unix socket, which gets mode 0600, or a loopback address, by which every user of this machine can drive Caddy.",
      },
      {
        name: "CADDY_ADMIN_PORT",
        kind: "port",
        default: "",
        defaultText: "none; 2019 where CADDY_ADMIN_ADDRESS is a loopback address",
        example: "2019",
        effect:
          "TCP port of Caddy's admin endpoint, instead of a Unix socket. Not used where CADDY_ADMIN_ADDRESS is one.",
      },
      {
        name: "CADDY_BIN",
        kind: "path",
        default: "",
        example: "/usr/local/bin/caddy",
        defaultText: "built from `caddy/` with Go",
        effect: "A Caddy to use instead of building one. It must have Gatewright's modules.",
      },
      {
        name: "DRIFT",
        kind: "text",
        default: "repair",
        choices: driftPolicies,
        effect:
          "What is done when somebody else changes what Caddy runs, by its admin endpoint: it gets its own configuration again (repair), or it is told in `/ready` and `/status` and left until the next change (report).",
      },
      {
        name: "CADDY_STOP_ON_SHUTDOWN",
        kind: "boolean",
        default: "false",
        effect: "Whether Caddy ends with Gatewright. False: it goes on serving and is found again.",
      },
      {
        name: "DRAIN_TIMEOUT",
        kind: "duration",
        default: "10m",
        effect:
          "How long a Caddy that a newer build has replaced may finish its requests and streams, before those that are left are closed.",
      },
      {
        name: "READ_IDLE_TIMEOUT",
        kind: "duration",
        default: "30s",
        effect:
          "A client that sends nothing for this long while its request is read gets 408. No limit for gRPC to `https` and `h2c` instances, nor once the response has begun; `timeouts.read_idle` of a rule goes first.",
      },
      {
        name: "WRITE_IDLE_TIMEOUT",
        kind: "duration",
        default: "30s",
        effect: "A client that takes nothing for this long while a response is written loses its connection.",
      },
      {
        name: "IDLE_TIMEOUT",
        kind: "duration",
        default: "2m",
        effect: "How long a connection waits for its next request.",
      },
      {
        name: "HTTP2_CLEARTEXT",
        kind: "boolean",
        default: "false",
        effect:
          "Whether ports without TLS take HTTP/2 too, as gRPC clients speak it there. The idle timeouts do not hold on such connections.",
      },
      {
        name: "ERROR_PAGES_DIR",
        kind: "path",
        default: "",
        example: "/etc/gatewright/error-pages",
        defaultText: "Gatewright's own pages",
        effect:
          "Folder with error pages for all ingresses: `502.html`, `404.txt`, or `4xx.html` and `5xx.html` for a class. Read at the start.",
      },
      {
        name: "UPSTREAM_CONNECT_TIMEOUT",
        kind: "duration",
        default: "3s",
        effect: "How long Caddy tries to connect to an instance.",
      },
    ],
  },
  {
    title: "Internal DNS",
    settings: [
      {
        name: "INTERNAL_DNS_ADDRESS",
        kind: "ip",
        default: "127.0.0.1",
        effect: "Address of the DNS server that Caddy asks for instances.",
      },
      { name: "INTERNAL_DNS_PORT", kind: "port", default: "5353", effect: "Its UDP and TCP port." },
      {
        name: "INTERNAL_DNS_ZONE",
        kind: "zone",
        default: "hypeman.internal",
        effect: "Zone in which instances have their names: `<name>.<zone>`.",
      },
    ],
  },
  {
    title: "Instances",
    settings: [
      {
        name: "INSTANCE_SOURCE",
        kind: "text",
        default: "registry",
        choices: instanceSources,
        effect:
          "Where instances come from: `PUT /instances` (registry), a running hypeman, or a file that is watched.",
      },
      {
        name: "INSTANCE_FILE",
        kind: "path",
        default: "",
        example: "/etc/gatewright/instances.json",
        effect: "The file, for INSTANCE_SOURCE=file: a JSON array in the form of `GET /instances`.",
      },
      {
        name: "HYPEMAN_URL",
        kind: "httpUrl",
        default: "",
        example: "http://127.0.0.1:4973",
        effect: "Base URL of hypeman's API, for INSTANCE_SOURCE=hypeman.",
      },
      {
        name: "HYPEMAN_TOKEN",
        kind: "secret",
        default: "",
        effect:
          "Token for hypeman's API, with the scope instance:read, and instance:write for targets with wake.",
      },
      {
        name: "HYPEMAN_POLL_INTERVAL",
        kind: "duration",
        default: "2s",
        effect: "Time between two questions to hypeman.",
      },
    ],
  },
  {
    title: "Security",
    settings: [
      {
        name: "TARGET_ALLOW_CIDRS",
        kind: "cidrs",
        default: "",
        example: "127.0.0.0/8",
        effect:
          "Networks that targets may be in although they are loopback. Without it loopback targets work only while the API is reached from loopback alone.",
      },
      {
        name: "TRUSTED_PROXIES",
        kind: "cidrs",
        default: "",
        example: "10.0.0.0/8",
        effect:
          "Networks of proxies in front of Caddy whose X-Forwarded headers and X-Request-ID are believed. X-Forwarded-For is read from its end.",
      },
      {
        name: "PROXY_PROTOCOL_FROM",
        kind: "cidrs",
        default: "",
        example: "10.0.0.2",
        effect:
          "Addresses of load balancers that begin connections with a PROXY protocol header (v1 or v2); the address in it is the client's. Connections from elsewhere are taken as they are.",
      },
    ],
  },
  {
    title: "TLS certificates",
    settings: [
      {
        name: "ACME_EMAIL",
        kind: "email",
        default: "",
        example: "ops@example.com",
        effect: "Contact for the certificate authority. Without it rules with TLS are refused.",
      },
      {
        name: "ACME_DNS_PROVIDER",
        kind: "text",
        default: "",
        choices: ["cloudflare"],
        example: "cloudflare",
        effect:
          "Provider for the DNS-01 challenge, which wildcards need. Without it HTTP-01 and TLS-ALPN-01 are used.",
      },
      {
        name: "ACME_CA",
        kind: "acmeCa",
        default: "production",
        effect:
          "Certificate authority: Let's Encrypt's production or staging, or the https URL of an ACME directory.",
      },
      {
        name: "ACME_CA_ROOT",
        kind: "path",
        default: "",
        example: "/etc/gatewright/ca-root.pem",
        defaultText: "the system's roots",
        effect: "PEM file with the roots that an ACME directory of your own is verified by.",
      },
      {
        name: "ACME_TIMEOUT",
        kind: "duration",
        default: "90s",
        effect:
          "How long the authority may leave an order undecided, at its validation and at its end. Then it has failed, and another follows.",
      },
      {
        name: "ACME_ORDERS_PER_MINUTE",
        kind: "count",
        default: "60",
        effect:
          "Most orders of an account in a minute, with STORE=etcd of all gateways together; further ones wait. The default suits Let's Encrypt, whose own limits are lower for long (300 in three hours); an authority of your own may take thousands. A change is taken by a new Caddy, which takes over.",
      },
      {
        name: "ACME_EAB_KEY_ID",
        kind: "text",
        default: "",
        example: "kid-1",
        effect:
          "Key id of the external account binding, for authorities that demand one (RFC 8555 section 7.3.4).",
      },
      {
        name: "ACME_EAB_HMAC_KEY",
        kind: "secret",
        default: "",
        effect: "Its HMAC key, base64url.",
      },
      {
        name: "ACME_FALLBACK_CA",
        kind: "acmeCa",
        default: "",
        example: "https://acme.zerossl.com/v2/DV90",
        effect: "Authority that is asked when ACME_CA has refused a name: production, staging or a URL.",
      },
      {
        name: "ACME_FALLBACK_EAB_KEY_ID",
        kind: "text",
        default: "",
        example: "kid-2",
        effect: "Key id of the external account binding at ACME_FALLBACK_CA.",
      },
      {
        name: "ACME_FALLBACK_EAB_HMAC_KEY",
        kind: "secret",
        default: "",
        effect: "Its HMAC key, base64url.",
      },
      {
        name: "TLS_ISSUER",
        kind: "text",
        default: "acme",
        choices: ["acme", "internal"],
        effect:
          "Who signs certificates of rules that name no issuer: `acme`, or `internal`, Caddy's own CA, which no browser trusts; for development.",
      },
      {
        name: "TLS_PREFER_WILDCARD",
        kind: "boolean",
        default: "true",
        effect:
          "With DNS-01: hostnames under a `*.suffix` of TLS_ALLOWED_DOMAINS share that wildcard's certificate instead of getting one each.",
      },
      {
        name: "TLS_ON_DEMAND",
        kind: "boolean",
        default: "false",
        effect:
          "Whether certificates are ordered at the first handshake of a name that a TLS rule claims, instead of when the rule is created.",
      },
      {
        name: "TLS_ASK_PORT",
        kind: "port",
        default: "0",
        effect: "Loopback port at which Caddy asks whether it may order, for TLS_ON_DEMAND.",
      },
      {
        name: "TLS_RENEW_INTERVAL",
        kind: "duration",
        default: "10m",
        effect:
          "How often certificates are checked for renewal, which is due when a third of their life is left.",
      },
      {
        name: "TLS_EXPIRY_WARNING",
        kind: "duration",
        default: "240h",
        effect: "Certificates that end sooner than this are warned of in the log, `/status` and `/metrics`.",
      },
      {
        name: "HTTP3",
        kind: "boolean",
        default: "false",
        effect: "Whether TLS ports also speak HTTP/3, on the UDP port of the same number.",
      },
      {
        name: "TLS_ALLOWED_DOMAINS",
        kind: "domains",
        default: "",
        example: "*.example.com,example.com",
        effect: "Names that may get a certificate; `*.suffix` allows one label more, `*` all. Empty: none.",
      },
      {
        name: "DNS_PROPAGATION_TIMEOUT",
        kind: "duration",
        default: "",
        example: "2m",
        defaultText: "Caddy's",
        effect: "How long to wait for the DNS-01 record to appear.",
      },
      {
        name: "DNS_RESOLVERS",
        kind: "nameservers",
        default: "",
        example: "1.1.1.1,8.8.8.8",
        defaultText: "the system's",
        effect: "DNS servers that are asked whether the DNS-01 record has appeared.",
      },
      {
        name: "CLOUDFLARE_API_TOKEN",
        kind: "secret",
        default: "",
        effect: "Token for ACME_DNS_PROVIDER=cloudflare, with the permissions Zone:Read and DNS:Edit.",
      },
    ],
  },
  {
    title: "Logs",
    settings: [
      {
        name: "LOG_LEVEL",
        kind: "text",
        default: "info",
        choices: logLevels,
        effect: "Lowest level that is logged.",
      },
      ...subsystems.map(
        (name): Setting => ({
          name: `LOG_LEVEL_${name.toUpperCase()}`,
          kind: "text",
          default: "",
          defaultText: "LOG_LEVEL",
          example: "debug",
          choices: logLevels,
          effect: `The same for the subsystem ${name}.${name === "caddy" ? " Also the level of Caddy's own log." : ""}`,
        }),
      ),
    ],
  },
  {
    title: "Access log",
    settings: [
      {
        name: "ACCESS_LOG",
        kind: "text",
        default: "off",
        choices: accessLogModes,
        effect:
          "Which requests and connections get a line: none, those that failed (a status of 400 or more, answers cut short, no rule), or all. `access_log` of a rule's policies goes first.",
      },
      {
        name: "ACCESS_LOG_SAMPLE",
        kind: "share",
        default: "1",
        example: "0.01",
        effect: "Share of what went well that gets a line, with ACCESS_LOG=all. What failed always gets one.",
      },
      {
        name: "ACCESS_LOG_CLIENT",
        kind: "text",
        default: "full",
        choices: clientsInLogs,
        effect:
          "How much of clients' addresses lines and spans tell: all, the network (/24 of IPv4, /48 of IPv6), or nothing.",
      },
      {
        name: "ACCESS_LOG_QUERY",
        kind: "boolean",
        default: "false",
        effect: "Whether lines tell the query of requests. Applications may have tokens in it.",
      },
      {
        name: "ACCESS_LOG_OUTPUT",
        kind: "text",
        default: "file",
        choices: accessLogOutputs,
        effect:
          "Where lines go. Caddy writes them to ACCESS_LOG_FILE; `stdout` has Gatewright write them to its standard output too, for as long as it runs.",
      },
      {
        name: "ACCESS_LOG_FILE",
        kind: "path",
        default: "",
        defaultText: "`DATA_DIR/caddy/access.log`",
        example: "/var/log/gatewright/access.log",
        effect: "The file; mode 0600. Older ones lie beside it, with the time of their end in the name.",
      },
      {
        name: "ACCESS_LOG_ROLL_SIZE_MB",
        kind: "count",
        default: "100",
        effect: "Size in MiB at which a new file is begun.",
      },
      {
        name: "ACCESS_LOG_ROLL_KEEP",
        kind: "count",
        default: "9",
        effect: "How many older files are kept.",
      },
      {
        name: "ACCESS_LOG_ROLL_KEEP_DAYS",
        kind: "count",
        default: "30",
        effect: "How many days older files are kept at the most.",
      },
    ],
  },
  {
    title: "Telemetry",
    settings: [
      {
        name: "METRICS_INGRESSES",
        kind: "count",
        default: "1000",
        effect:
          "How many ingresses have counters of their own in `/metrics` and OTLP: the busiest. The others are counted together, as `_other`.",
      },
      {
        name: "METRICS_HISTOGRAMS",
        kind: "count",
        default: "100",
        effect:
          "How many of these have histograms of their own too, of 12 series each: the busiest. The times of the others are counted together, as `_other`.",
      },
      {
        name: "OTEL_ENABLED",
        kind: "boolean",
        default: "false",
        effect: "Whether metrics, logs and traces are exported by OTLP.",
      },
      {
        name: "OTEL_ENDPOINT",
        kind: "endpoint",
        default: "",
        defaultText: "`127.0.0.1:4317`; `127.0.0.1:4318` with http/protobuf",
        example: "http://collector.internal:4317",
        effect: "OTLP receiver. With http/protobuf a URL may have a path, before `/v1/metrics` and its like.",
      },
      {
        name: "OTEL_EXPORTER_OTLP_PROTOCOL",
        kind: "text",
        default: "grpc",
        choices: otlpProtocols,
        effect: "How OTLP is sent.",
      },
      {
        name: "OTEL_INSECURE",
        kind: "boolean",
        default: "true",
        effect: "Whether OTLP goes without TLS, where OTEL_ENDPOINT has no scheme.",
      },
      {
        name: "OTEL_EXPORTER_OTLP_CERTIFICATE",
        kind: "path",
        default: "",
        example: "/etc/gatewright/collector-ca.pem",
        defaultText: "the system's roots",
        effect: "PEM file with the roots that the receiver is verified by.",
      },
      {
        name: "OTEL_EXPORTER_OTLP_HEADERS",
        kind: "secret",
        default: "",
        effect: "Headers of each export: `name=value`, separated by commas, with percent signs as escapes.",
      },
      {
        name: "OTEL_EXPORTER_OTLP_TIMEOUT",
        kind: "count",
        default: "10000",
        effect: "How long an export may take, in milliseconds.",
      },
      {
        name: "OTEL_METRIC_EXPORT_INTERVAL",
        kind: "count",
        default: "60000",
        effect: "Time between two exports of metrics, in milliseconds.",
      },
      {
        name: "OTEL_SERVICE_NAME",
        kind: "text",
        default: "gatewright",
        effect: "Name of this service in OTLP.",
      },
      {
        name: "OTEL_SERVICE_INSTANCE_ID",
        kind: "text",
        default: "",
        defaultText: "GATEWAY_NAME, else the machine's name",
        example: "edge-1",
        effect: "Which of the services of this name it is.",
      },
      {
        name: "OTEL_RESOURCE_ATTRIBUTES",
        kind: "pairs",
        default: "",
        example: "deployment.environment.name=production",
        effect: "Further attributes of everything that is exported.",
      },
      {
        name: "OTEL_TRACES_EXPORTER",
        kind: "text",
        default: "otlp",
        choices: traceExporters,
        effect: "Where traces go, with OTEL_ENABLED.",
      },
      {
        name: "OTEL_TRACES_SAMPLER",
        kind: "text",
        default: "parentbased_always_on",
        choices: traceSamplers,
        effect:
          "Of which requests there are traces. `parentbased_…` does as the caller did whose traceparent is taken, and else as the rest of the name says.",
      },
      {
        name: "OTEL_TRACES_SAMPLER_ARG",
        kind: "share",
        default: "1",
        example: "0.01",
        effect: "Share of traces with a sampler of the name `traceidratio`.",
      },
      {
        name: "TRUST_TRACEPARENT",
        kind: "boolean",
        default: "false",
        effect:
          "Whether every client's traceparent is taken. False: that of TRUSTED_PROXIES; any other client gets a new trace, with a link to its own.",
      },
    ],
  },
];

export const settings: readonly Setting[] = settingGroups.flatMap((group) => group.settings);
