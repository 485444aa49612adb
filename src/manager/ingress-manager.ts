import type { ApplyResult, CreateIngressRequest, Ingress, Plan, SetAsideIngress } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import type { Rights } from "../model/rights.ts";
import type { DocumentChange, Revision } from "../store/history/revision.ts";

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

/** What was changed together. */
export type IngressRevision = Revision<Ingress>;

/** What became of one ingress in a revision. */
export type RevisedIngress = DocumentChange<Ingress>;

/** An ingress as it shall be. */
export interface WantedIngress {
  /** Which one it is. Default, and where nobody has it: the one of this name, else a new one. */
  readonly id?: string;
  readonly created_at?: string;
  /** Whose it is, where it is new. */
  readonly owner?: string;
  readonly request: CreateIngressRequest;
}

/** A whole desired set. */
export interface WantedSet {
  readonly ingresses: readonly WantedIngress[];
  /** An id is that of one ingress alone: nobody of the same name takes its place. Default: false. */
  readonly byId?: boolean;
  /** Which of those that are not wanted go. Default: none. */
  readonly goes?: (ingress: Ingress | SetAsideIngress) => boolean;
  /** The set must be of this revision; another one throws `precondition_failed`. Default: any. */
  readonly revision?: number;
}

/** A change that is planned. */
export type PlannedCall =
  | { readonly kind: "create"; readonly ingress: CreateIngressRequest }
  | { readonly kind: "replace"; readonly id: string; readonly ingress: CreateIngressRequest }
  | { readonly kind: "patch"; readonly id: string; readonly patch: JsonValue }
  | { readonly kind: "delete"; readonly id: string }
  | { readonly kind: "set"; readonly set: WantedSet };

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
  /** The same for a caller with limits: others' ingresses do not exist, and no change goes beyond. Without limits: itself. */
  of(caller: Pick<Rights, "limits"> & { readonly subject: string }): IngressManager;
  create(request: CreateIngressRequest, by?: Attribution): Promise<Ingress>;
  /** `id` is a full id, also of one that is set aside; `ifMatch` an ETag without its quotes, absent for any version. */
  replace(id: string, request: CreateIngressRequest, ifMatch?: string, by?: Attribution): Promise<Ingress>;
  /** Applies a merge patch (RFC 7396) to the request form of the ingress, then validates it like a replacement. */
  patch(id: string, patch: JsonValue, ifMatch?: string, by?: Attribution): Promise<Ingress>;
  delete(id: string, ifMatch?: string, by?: Attribution): Promise<void>;
  /** Makes the ingresses those of a set, all of it together; what is equal is left alone. */
  apply(set: WantedSet, by?: Attribution): Promise<ApplyResult>;
  /** Tells what a change would do. Does not reject for what would refuse it, but where nothing can be said now. */
  plan(call: PlannedCall): Promise<Plan>;
  /** The set that the ingresses were at a revision, for `apply` and `plan`. Throws `not_found` when it is not kept. */
  rollbackTo(revision: number, ifRevision?: number): Promise<WantedSet>;
  /** What was changed, the newest first, from `before` down. */
  revisions(before?: number): AsyncIterable<IngressRevision>;
  /** Number of the last change. */
  readonly revision: number;
  get(id: string): Ingress | undefined;
  /** Exact id, then exact name, then unique id prefix, as hypeman looks up. "" is unknown. */
  lookup(reference: string): Lookup;
  /** As `lookup`; what is unknown is looked up again when it is sure that nothing of other gateways is missing. */
  find(reference: string): Promise<Lookup>;
  /**
   * By ascending id, as of this call: later writes neither disturb nor join an iteration under way. By `name` what is renamed
   * or deleted meanwhile may be left out.
   */
  list(order?: "id" | "name"): Iterable<Ingress>;
  /** The same as they are now, in no order; of a caller with limits at the price of their own. */
  present(): Iterable<Ingress>;
  /** Which certificates an ingress takes: names of those that are got for it, ids of imported ones. */
  certificatesOf(ingress: Ingress): readonly string[];
  /** Stored ingresses that are not served, by ascending id. */
  setAside(): readonly SetAsideIngress[];
  /** The version of an ingress, without quotes; changes with every change of what GET answers. */
  etag(ingress: Ingress | SetAsideIngress): string;
  ready(): Readiness;
}
