// Generated from openapi.json by `npm run generate`. Do not edit.

/**
 * Lowercase letters, digits and hyphens, with a letter or digit at both ends. Unique among ingresses.
 */
export type IngressName = string;
/**
 * A new instance is `Running` when nothing else is said. Only `Running` and `Initializing` instances take requests.
 */
export type InstanceState =
  "Created" | "Initializing" | "Running" | "Paused" | "Shutdown" | "Stopped" | "Standby" | "Unknown";
/**
 * Lowercase letters, digits and hyphens, also several such labels joined by dots. In a body it must equal the name in the address.
 */
export type InstanceName = string;
/**
 * Stable; docs/errors.md explains each.
 */
export type ErrorCode =
  | "Bad Request"
  | "Unauthorized"
  | "Forbidden"
  | "bad_request"
  | "already_exists"
  | "hostname_in_use"
  | "port_in_use"
  | "port_not_permitted"
  | "instance_not_found"
  | "instance_no_network"
  | "domain_not_allowed"
  | "target_not_allowed"
  | "config_validation_failed"
  | "not_found"
  | "ambiguous"
  | "method_not_allowed"
  | "precondition_failed"
  | "payload_too_large"
  | "source_unavailable"
  | "source_read_only"
  | "caddy_unavailable"
  | "store_unavailable"
  | "store_conflict"
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

/**
 * Which request paths a rule takes. Compared decoded, cleaned (RFC 3986 section 6.2.2) and with case.
 */
export interface IngressPath {
  /**
   * `prefix` matches on segment borders (`/api` takes `/api` and `/api/v1`, not `/apiv1`); `exact` takes the path alone.
   */
  readonly type: "prefix" | "exact";
  /**
   * An absolute path without `*`, `{` or `}`.
   */
  readonly value: string;
}
export interface IngressMatchInput {
  /**
   * Literal (`shop.example.com`), pattern (`{instance}.dev.example.com`), wildcard (`*.example.com`, one label a star) or `*` for every host. Compared without case and without a trailing dot.
   */
  readonly hostname: string;
  /**
   * Listen port. Absent, null or 0 means HTTP_PORT (80); with `tls`, absent, null, 0 or 80 means HTTPS_PORT (443).
   */
  readonly port?: number | null;
  readonly path?: IngressPath;
  /**
   * HTTP methods the rule takes, in capitals. Absent means all.
   */
  readonly methods?: readonly string[];
  /**
   * Request headers that must all be present with exactly these values.
   */
  readonly headers?: {
    readonly [k: string]: string;
  };
}
export interface IngressMatch {
  /**
   * Literal (`shop.example.com`), pattern (`{instance}.dev.example.com`), wildcard (`*.example.com`, one label a star) or `*` for every host. Compared without case and without a trailing dot.
   */
  readonly hostname: string;
  /**
   * The listen port in use.
   */
  readonly port: number;
  readonly path?: IngressPath;
  /**
   * HTTP methods the rule takes, in capitals. Absent means all.
   */
  readonly methods?: readonly string[];
  /**
   * Request headers that must all be present with exactly these values.
   */
  readonly headers?: {
    readonly [k: string]: string;
  };
}
export interface IngressTarget {
  /**
   * Name or id of the instance, or a unique prefix of its id; answered and stored as its name. Under a pattern hostname: text with captures, such as `{instance}` or `{a}-{b}`.
   */
  readonly instance: string;
  /**
   * Port the instance listens on, 1 to 65535.
   */
  readonly port: number;
}
/**
 * A request must carry this header with exactly this value; others get 403 before any lookup. The header is removed before proxying.
 */
export interface RequestHeaderAuth {
  /**
   * Name of a request header that has no other meaning in HTTP.
   */
  readonly header: string;
  /**
   * 32 to 256 bytes of visible ASCII without `*`, `{` and `}`.
   */
  readonly value: string;
}
export interface IngressRuleInput {
  readonly match: IngressMatchInput;
  readonly target: IngressTarget;
  /**
   * Serve HTTPS with a certificate for this hostname.
   */
  readonly tls?: boolean;
  /**
   * Redirect HTTP_PORT of this hostname to the rule's HTTPS port. Needs `tls`.
   */
  readonly redirect_http?: boolean;
  readonly request_header_auth?: RequestHeaderAuth;
}
export interface IngressRule {
  readonly match: IngressMatch;
  readonly target: IngressTarget;
  /**
   * Serve HTTPS with a certificate for this hostname.
   */
  readonly tls: boolean;
  /**
   * Redirect HTTP_PORT of this hostname to the rule's HTTPS port. Needs `tls`.
   */
  readonly redirect_http: boolean;
  readonly request_header_auth?: RequestHeaderAuth;
}
/**
 * Labels of your own. Keys and values take letters, digits, spaces and `_.:/=+@-`.
 */
export interface Tags {
  readonly [k: string]: string;
}
export interface CreateIngressRequest {
  readonly name: IngressName;
  readonly tags?: Tags;
  readonly rules: readonly IngressRuleInput[];
}
export interface Ingress {
  /**
   * CUID2: 24 characters, a letter first.
   */
  readonly id: string;
  readonly name: IngressName;
  readonly tags?: Tags;
  readonly rules: readonly IngressRule[];
  readonly created_at: string;
  readonly updated_at: string;
}
export interface InstanceNetwork {
  readonly enabled: boolean;
  /**
   * IPv4 or IPv6 address; null while the instance has none.
   */
  readonly ip: string | null;
  readonly mac?: string | null;
  readonly name?: string | null;
}
export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly state: InstanceState;
  readonly network: InstanceNetwork;
  /**
   * The service this instance belongs to.
   */
  readonly service?: string;
  readonly tags?: Tags;
  readonly created_at: string;
  readonly updated_at?: string;
}
/**
 * An instance of the embedded registry. What GET answers can be sent back.
 */
export interface PutInstanceRequest {
  /**
   * Id of a new instance; one is made when absent. An existing instance keeps its own.
   */
  readonly id?: string;
  readonly name?: InstanceName;
  readonly state?: InstanceState;
  readonly network: {
    readonly enabled?: boolean;
    /**
     * IPv4 or IPv6 address; null while the instance has none.
     */
    readonly ip: string | null;
    readonly mac?: string | null;
    readonly name?: string | null;
  };
  /**
   * The service this instance belongs to; lowercase letters, digits and hyphens.
   */
  readonly service?: string;
  readonly tags?: Tags;
  readonly created_at?: string;
  readonly updated_at?: string;
}
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  /**
   * Where in the document, such as `rules[0].match.path`.
   */
  readonly field?: string;
}
export interface ErrorResponse {
  readonly code: ErrorCode;
  readonly message: string;
  /**
   * Every problem of the document, the first failing one first.
   */
  readonly details?: readonly Problem[];
}
/**
 * The whole ingress. What GET answers can be sent back.
 */
export interface ReplaceIngressRequest {
  /**
   * Ignored; must be the resource's own id when given.
   */
  readonly id?: string;
  /**
   * Ignored.
   */
  readonly created_at?: string;
  /**
   * Ignored.
   */
  readonly updated_at?: string;
  readonly name: IngressName;
  readonly tags?: Tags;
  readonly rules: readonly IngressRuleInput[];
}
/**
 * A JSON merge patch (RFC 7396): keys that are given replace, null removes, arrays are replaced whole.
 */
export interface PatchIngressRequest {
  /**
   * Ignored; must be the resource's own id when given.
   */
  readonly id?: string;
  /**
   * Ignored.
   */
  readonly created_at?: string;
  /**
   * Ignored.
   */
  readonly updated_at?: string;
  readonly name?: IngressName;
  readonly tags?: {
    readonly [k: string]: string | null;
  } | null;
  readonly rules?: readonly IngressRuleInput[];
}
export interface Health {
  readonly status: "ok";
}
export interface Readiness {
  readonly status: "ready" | "not_ready";
  /**
   * Why it is not ready; empty when it is.
   */
  readonly reasons: readonly string[];
}
