import { hash } from "node:crypto";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { CreateIngressRequest, Ingress, IngressRule, SetAsideIngress } from "../model/api.ts";
import { type Attribution, ourselves } from "../model/attribution.ts";
import { makeId } from "../model/id.ts";
import { isDocumentId } from "../store/document-id.ts";
import { normalizePlace } from "../validation/ingress.ts";
import type { Admission } from "./admission.ts";
import type { Catalog, IngressChange } from "./catalog.ts";
import type { IngressManager, JsonValue, Lookup, Readiness } from "./ingress-manager.ts";
import { mergePatch } from "./merge-patch.ts";
import type { Reconciler } from "./reconciler.ts";
import type { Writer } from "./writer.ts";

export interface IngressServiceOptions {
  readonly admission: Admission;
  readonly catalog: Catalog;
  readonly reconciler: Pick<Reconciler, "reasons" | "notices">;
  readonly writer: Writer;
  /** What was found wrong in the store at the start, for `/ready`. */
  readonly problems: readonly string[];
  /** Present: the Gatewright at this URL alone changes ingresses. */
  readonly follows?: string;
}

/** Creates, changes and finds ingresses. A promise that resolves means: served by Caddy and durable. */
export class IngressService implements IngressManager {
  readonly #options: IngressServiceOptions;

  constructor(options: IngressServiceOptions) {
    this.#options = options;
  }

  async create(request: CreateIngressRequest, by: Attribution = ourselves): Promise<Ingress> {
    this.#mayWrite();
    const { admission, writer } = this.#options;
    const rules = await admission.admit(request);
    const now = new Date().toISOString();
    const after = ingressOf(makeId(), request, rules, now, now);
    await writer.submit({
      by,
      decide: () => {
        admission.checkClaims(after);
        return [{ after }];
      },
    });
    return after;
  }

  async replace(
    id: string,
    request: CreateIngressRequest,
    ifMatch?: string,
    by: Attribution = ourselves,
  ): Promise<Ingress> {
    this.#mayWrite();
    const { admission, writer } = this.#options;
    const rules = await admission.admit(request, id);
    const [change] = await writer.submit({
      by,
      decide: () => {
        const present = this.#present(id, ifMatch);
        const after = ingressOf(
          id,
          request,
          rules,
          ...timesAfter(present.before ?? present.setAside?.ingress),
        );
        admission.checkClaims(after);
        return [{ ...present, after }];
      },
    });
    return changed(change);
  }

  async patch(id: string, patch: JsonValue, ifMatch?: string, by: Attribution = ourselves): Promise<Ingress> {
    this.#mayWrite();
    for (;;) {
      const { before } = this.#present(id, ifMatch);
      if (before === undefined)
        throw new GatewrightError(
          "ingress_set_aside",
          "the ingress is set aside: replace it as a whole (PUT)",
        );
      const request = this.#options.admission.parse(mergePatch(requestOf(before), patch));
      try {
        // The patch was computed on this version; a change in between has it computed again.
        return await this.replace(id, request, ifMatch ?? this.etag(before), by);
      } catch (error) {
        if (!isGatewrightError(error, "precondition_failed")) throw error;
      }
    }
  }

  async delete(id: string, ifMatch?: string, by: Attribution = ourselves): Promise<void> {
    this.#mayWrite();
    await this.#options.writer.submit({ by, decide: () => [this.#present(id, ifMatch)] });
  }

  /** Throws `source_read_only` where ingresses are another one's. */
  #mayWrite(): void {
    const { follows } = this.#options;
    if (follows === undefined) return;
    throw new GatewrightError(
      "source_read_only",
      `ingresses are those of ${follows} (FOLLOW_URL) and cannot be changed here; make the change there`,
    );
  }

  get(id: string): Ingress | undefined {
    return this.#options.catalog.get(id);
  }

  lookup(reference: string): Lookup {
    const { catalog } = this.#options;
    return (
      this.#byId(reference) ??
      found(catalog.committedNamed(reference)) ??
      notServed(catalog.setAside.named(reference)) ??
      this.#byPrefix(reference)
    );
  }

  /** How many ingresses there are. */
  get size(): number {
    return this.#options.catalog.size;
  }

  list(): Iterable<Ingress> {
    return this.#options.catalog.list();
  }

  setAside(): readonly SetAsideIngress[] {
    return this.#options.catalog.setAside.list();
  }

  etag(ingress: Ingress | SetAsideIngress): string {
    return hash("sha256", JSON.stringify(ingress)).slice(0, 32);
  }

  ready(): Readiness {
    const { catalog, reconciler, problems } = this.#options;
    const failures = reconciler.reasons();
    return {
      ready: failures.length === 0,
      reasons: [
        ...failures,
        ...reconciler.notices(),
        ...setAsideReasons(catalog.setAside.list()),
        ...problems,
      ],
    };
  }

  #byId(id: string): Lookup | undefined {
    const { catalog } = this.#options;
    return found(catalog.get(id)) ?? notServed(catalog.setAside.get(id));
  }

  #byPrefix(prefix: string): Lookup {
    if (prefix === "") return { kind: "unknown" };
    const { catalog } = this.#options;
    const ids = [
      ...catalog.idsStartingWith(prefix, 2),
      ...catalog.setAside.list().flatMap(({ id }) => (id.startsWith(prefix) ? [id] : [])),
    ];
    const [id, second] = ids;
    if (second !== undefined) return { kind: "ambiguous" };
    return (id === undefined ? undefined : this.#byId(id)) ?? { kind: "unknown" };
  }

  /** What is stored under an id, as the writer sees it now. Throws `not_found`, `precondition_failed`, and `ingress_set_aside` for a file that no id names. */
  #present(id: string, ifMatch: string | undefined): Pick<IngressChange, "before" | "setAside"> {
    const stored = this.#options.catalog.stored(id);
    const present = stored.before ?? stored.setAside;
    if (present === undefined) throw new GatewrightError("not_found", "resource not found");
    if (!isDocumentId(id)) {
      const message = `the name of the file ${id}.json is no id of an ingress: stop Gatewright, move the file away, and start it again`;
      throw new GatewrightError("ingress_set_aside", message);
    }
    if (ifMatch !== undefined && ifMatch !== this.etag(present)) {
      throw new GatewrightError(
        "precondition_failed",
        "the ingress was changed meanwhile; read it again and repeat the change",
      );
    }
    return stored;
  }
}

function found(ingress: Ingress | undefined): Lookup | undefined {
  return ingress === undefined ? undefined : { kind: "found", ingress };
}

function notServed(ingress: SetAsideIngress | undefined): Lookup | undefined {
  return ingress === undefined ? undefined : { kind: "set-aside", ingress };
}

/** Most that `/ready` names one by one. */
const MAX_REASONS = 100;

function setAsideReasons(entries: readonly SetAsideIngress[]): readonly string[] {
  const reasons = entries.slice(0, MAX_REASONS).map(({ id, name, problems }) => {
    const named = name === undefined ? "" : ` (${name})`;
    return `ingress ${id}${named} is set aside and not served: ${problems[0]?.message}; replace or delete it`;
  });
  const more = entries.length - reasons.length;
  return more === 0 ? reasons : [...reasons, `${more} more ingresses are set aside`];
}

/** `created_at` and `updated_at` of what replaces an ingress. The clock may have been set back; the order stays. */
function timesAfter(before: Ingress | undefined): [createdAt: string, updatedAt: string] {
  const now = Date.now();
  const last = before === undefined ? now : Date.parse(before.updated_at);
  const updated = new Date(last > now ? last : now).toISOString();
  return [before?.created_at ?? updated, updated];
}

function ingressOf(
  id: string,
  request: CreateIngressRequest,
  rules: readonly IngressRule[],
  createdAt: string,
  updatedAt: string,
): Ingress {
  const tags =
    request.tags !== undefined && Object.keys(request.tags).length > 0 ? { tags: request.tags } : {};
  const place = normalizePlace(request);
  return {
    id,
    name: request.name,
    ...tags,
    ...place,
    rules: [...rules],
    created_at: createdAt,
    updated_at: updatedAt,
  };
}

function changed(change: IngressChange | undefined): Ingress {
  if (change?.after === undefined) throw new GatewrightError("internal_error", "a change left no ingress");
  return change.after;
}

/** The request that would make the ingress again. */
function requestOf({ name, tags, listen, gateways, rules }: Ingress): JsonValue {
  return JSON.parse(JSON.stringify({ name, tags, listen, gateways, rules })) as JsonValue;
}
