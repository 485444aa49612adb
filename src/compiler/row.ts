import type { AccessLogMode, PolicySet } from "../caddy-json/config.ts";
import type { IngressPath } from "../model/api.ts";
import type { IssuerName } from "../model/tls-plan.ts";

/** Where a row's requests go: exactly one of `instance`, `service` and `address`, and a port. */
export interface RowTarget {
  /** Instance name, or text with captures of the host (`{instance}`), without the DNS zone. */
  readonly instance?: string;
  /** Every running instance of it; asked of DNS as `<service>.svc`. */
  readonly service?: string;
  /** IP address, or a DNS name outside of our zone. */
  readonly address?: string;
  /** `ip:port` of the DNS servers for a name in `address`. Absent: the system's. */
  readonly resolvers?: readonly string[];
  readonly port: number;
  /** Share among the targets. Absent: 1. */
  readonly weight?: number;
  /** Absent: active. */
  readonly mode?: "drain" | "pause";
  /** With `mode: "pause"`: how long a request waits. */
  readonly pause_ms?: number;
  /** Present: have the instance started, and how long a request waits for it. */
  readonly wake_ms?: number;
}

/**
 * One row of the host table that our Caddy keeps in memory (caddy/app, caddy/table).
 * Rows travel by delta or whole through Caddy's admin endpoint, never inside the Caddy configuration, so that
 * a new host needs no reload.
 */
export interface Row {
  /** `<ingress id>/<rule index>`, with `/redirect` behind it for the plain-HTTP side of `redirect_http`. */
  readonly id: string;
  /** The ingress's name, for error pages, logs and metrics. */
  readonly ingress: string;
  /** Listen port. */
  readonly port: number;
  /** Canonical host: lowercase ASCII; a capture label as `{name}`, a wildcard label as `*`, all hosts as `*`. */
  readonly host: string;
  /** Absent: every path. */
  readonly path?: IngressPath;
  readonly methods?: readonly string[];
  readonly headers?: { readonly [name: string]: string };
  /** True: only over TLS. False or absent: only without TLS. */
  readonly tls?: boolean;
  /**
   * The name that a certificate is got for while there is the row, and who signs it (caddy/certificates). Absent: the
   * certificate is imported, or ordered on demand.
   */
  readonly managed_name?: { readonly subject: string; readonly issuer: IssuerName };
  /** What is demanded of the TLS connections to the host, where TLS is ended for the row (caddy/table/tls.go). */
  readonly tls_options?: RowTlsOptions;
  /** The request must carry this header with a value of this SHA-256 (lowercase hex). */
  readonly auth?: { readonly header: string; readonly sha256: string };
  /** Answers a redirect to https on this port instead of proxying. Excludes `policy` and `targets`. */
  readonly redirect?: { readonly port: number };
  /** Key of the policy set whose handlers take the request. */
  readonly policy?: string;
  readonly targets?: readonly RowTarget[];
  /** IP addresses that the row is served on. Absent: all that the port is bound on. */
  readonly listen?: readonly string[];
  /** Makes the row one of layer 4 (caddy/layer4); `host` is then the name of TLS clients, or "" for the whole port. */
  readonly layer4?: RowLayer4;
}

/** They hold for every path of the host, and for hosts under a wildcard that have none of their own. */
export interface RowTlsOptions {
  /** Id of an imported certificate. Absent: any that has the name. */
  readonly certificate?: string;
  readonly min_version?: string;
  readonly client_auth?: { readonly mode: string; readonly ca_pem?: string };
}

/** How a row takes connections (caddy/table/layer4.go, where the defaults are). */
export interface RowLayer4 {
  readonly protocol: "tls" | "tcp" | "udp";
  /** TLS is ended here. */
  readonly terminate?: true;
  readonly policy?: "least_conn" | "random" | "ip_hash" | "first";
  readonly connect_timeout_ms?: number;
  readonly idle_timeout_ms?: number;
  readonly max_connections?: number;
  /** Its addresses are checked: before anything was told of them they are unknown, and take nothing. */
  readonly health?: true;
  readonly max_fails?: number;
  readonly fail_duration_ms?: number;
  readonly proxy_protocol?: "v1" | "v2";
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly access_log?: AccessLogMode;
  readonly tls?: RowLayer4Tls;
}

/** How TLS is spoken with a target. */
export interface RowLayer4Tls {
  readonly server_name?: string;
  readonly ca_pem?: string;
  readonly insecure_skip_verify?: true;
  /** PEM files of the certificate that is shown to the target. */
  readonly certificate_file?: string;
  readonly key_file?: string;
}

/** A change of the host table from one version to the next. */
export interface TableDelta {
  /** The version the table must have now; another one is refused with 412 and changes nothing. */
  readonly from: string;
  /** The version it has afterwards. */
  readonly to: string;
  readonly remove: readonly string[];
  readonly upsert: readonly Row[];
  /** Those that the rows to upsert name. One that cannot be set up refuses the change. Absent: they run all. */
  readonly policy_sets?: PolicySets;
  /**
   * It is not stored yet, and may be taken back: until it is committed, or a change follows that is not staged, no authority is
   * asked for certificates of names that came with it, and none is given up of names that went. Default: it is stored.
   */
  readonly staged?: true;
}

/** The whole host table. */
export interface Table {
  readonly version: string;
  readonly rows: readonly Row[];
  readonly policy_sets?: PolicySets;
  /** As of a delta. */
  readonly staged?: true;
}

/** By the keys that rows name. */
export interface PolicySets {
  readonly [key: string]: PolicySet;
}
