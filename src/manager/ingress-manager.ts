import type { CreateIngressRequest, Ingress, SetAsideIngress } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";

/** Anything that JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** What a reference in an address (`/ingresses/{id}`) leads to. */
export type Lookup =
  | { readonly kind: "found"; readonly ingress: Ingress }
  /** Stored and not served; may be replaced and deleted. */
  | { readonly kind: "set-aside"; readonly ingress: SetAsideIngress }
  | { readonly kind: "ambiguous" }
  | { readonly kind: "unknown" };

/** Whether requests can be served, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** One sentence each, for operators; empty when ready. */
  readonly reasons: readonly string[];
}

/**
 * The single writer of ingresses, as the HTTP layer sees it. Reads answer from memory.
 *
 * A write resolves when its change is served and durable. It rejects with a GatewrightError and changes nothing:
 * `bad_request` and the other codes of validation, `already_exists`, `hostname_in_use`, `not_found` (the id is
 * gone meanwhile), `precondition_failed` (`ifMatch` is not the present version), `config_validation_failed`,
 * `caddy_unavailable`, `store_unavailable`, `shutting_down`. `by` says whose change it is; default: Gatewright's own.
 */
export interface IngressManager {
  create(request: CreateIngressRequest, by?: Attribution): Promise<Ingress>;
  /** `id` is a full id, also of one that is set aside; `ifMatch` an ETag without its quotes, absent for any version. */
  replace(id: string, request: CreateIngressRequest, ifMatch?: string, by?: Attribution): Promise<Ingress>;
  /** Applies a merge patch (RFC 7396) to the request form of the ingress, then validates it like a replacement. */
  patch(id: string, patch: JsonValue, ifMatch?: string, by?: Attribution): Promise<Ingress>;
  delete(id: string, ifMatch?: string, by?: Attribution): Promise<void>;
  get(id: string): Ingress | undefined;
  /** Exact id, then exact name, then unique id prefix, as hypeman looks up. "" is unknown. */
  lookup(reference: string): Lookup;
  /** By ascending id, as of this call: later writes neither disturb nor join an iteration under way. */
  list(): Iterable<Ingress>;
  /** Stored ingresses that are not served, by ascending id. */
  setAside(): readonly SetAsideIngress[];
  /** The version of an ingress, without quotes; changes with every change of what GET answers. */
  etag(ingress: Ingress | SetAsideIngress): string;
  ready(): Readiness;
}
