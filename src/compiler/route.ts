import type { IngressPath } from "../model/api.ts";

/** Where a route's requests go: an instance's name (captures allowed) and port. */
export interface RouteTarget {
  /** Instance name, or text with captures of the host (`{instance}`), without the DNS zone. */
  readonly instance: string;
  readonly port: number;
}

/**
 * One row of the host table that the dispatcher of our Caddy keeps in memory (caddy/dispatcher).
 * Rows travel by delta or whole through Caddy's admin endpoint, never inside the Caddy configuration, so that
 * a new host under a known policy set needs no reload.
 */
export interface Route {
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
  /** The request must carry this header with a value of this SHA-256 (lowercase hex). */
  readonly auth?: { readonly header: string; readonly sha256: string };
  /** Answers a redirect to https on this port instead of proxying. Excludes `policy` and `targets`. */
  readonly redirect?: { readonly port: number };
  /** Key of the policy set whose handlers take the request; in the configuration under `apps.gatewright.policy_sets`. */
  readonly policy?: string;
  readonly targets?: readonly RouteTarget[];
}

/** A change of the host table from one version to the next. */
export interface TableDelta {
  /** The version the table must have now; another one is refused with 412 and changes nothing. */
  readonly from: string;
  /** The version it has afterwards. */
  readonly to: string;
  readonly remove: readonly string[];
  readonly upsert: readonly Route[];
}

/** The whole host table. */
export interface Table {
  readonly version: string;
  readonly routes: readonly Route[];
}
