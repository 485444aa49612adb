import { hash } from "node:crypto";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { CreateIngressRequest, Ingress, IngressRule } from "../model/api.ts";
import { makeId } from "../model/id.ts";
import { normalizePlace } from "../validation/ingress.ts";
import type { Admission } from "./admission.ts";
import type { Catalog, IngressChange } from "./catalog.ts";
import type { IngressManager, JsonValue, Lookup, Readiness } from "./ingress-manager.ts";
import type { Keeper } from "./keeper.ts";
import { mergePatch } from "./merge-patch.ts";
import type { Writer } from "./writer.ts";

export interface IngressServiceOptions {
  readonly admission: Admission;
  readonly catalog: Catalog;
  readonly keeper: Keeper;
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

  async create(request: CreateIngressRequest): Promise<Ingress> {
    this.#mayWrite();
    const { admission, writer } = this.#options;
    const rules = await admission.admit(request);
    const now = new Date().toISOString();
    const after = ingressOf(makeId(), request, rules, now, now);
    await writer.submit({
      decide: () => {
        admission.checkClaims(after);
        return { after };
      },
    });
    return after;
  }

  async replace(id: string, request: CreateIngressRequest, ifMatch?: string): Promise<Ingress> {
    this.#mayWrite();
    const { admission, writer } = this.#options;
    const rules = await admission.admit(request, id);
    const change = await writer.submit({
      decide: () => {
        const before = this.#present(id, ifMatch);
        const now = new Date().toISOString();
        const after = ingressOf(id, request, rules, before.created_at, now);
        admission.checkClaims(after);
        return { before, after };
      },
    });
    return changed(change);
  }

  async patch(id: string, patch: JsonValue, ifMatch?: string): Promise<Ingress> {
    this.#mayWrite();
    for (;;) {
      const before = this.#present(id, ifMatch);
      const request = this.#options.admission.parse(mergePatch(requestOf(before), patch));
      try {
        // The patch was computed on this version; a change in between has it computed again.
        return await this.replace(id, request, ifMatch ?? this.etag(before));
      } catch (error) {
        if (ifMatch !== undefined || !isGatewrightError(error, "precondition_failed")) throw error;
      }
    }
  }

  async delete(id: string, ifMatch?: string): Promise<void> {
    this.#mayWrite();
    await this.#options.writer.submit({ decide: () => ({ before: this.#present(id, ifMatch) }) });
  }

  /** Takes over an ingress of the Gatewright that is followed, as it is there. Throws when its claims conflict here. */
  async adopt(after: Ingress): Promise<void> {
    const { admission, catalog, writer } = this.#options;
    await writer.submit({
      decide: () => {
        admission.checkClaims(after);
        const before = catalog.getStaged(after.id);
        return before === undefined ? { after } : { before, after };
      },
    });
  }

  /** Drops an ingress that the Gatewright that is followed has no more. */
  async forget(id: string): Promise<void> {
    await this.#options.writer.submit({ decide: () => ({ before: this.#present(id, undefined) }) });
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
    const exact = catalog.get(reference) ?? this.#named(reference);
    if (exact !== undefined) return { kind: "found", ingress: exact };
    if (reference === "") return { kind: "unknown" };
    const [id, second] = catalog.idsStartingWith(reference, 2);
    if (second !== undefined) return { kind: "ambiguous" };
    const ingress = id === undefined ? undefined : catalog.get(id);
    return ingress === undefined ? { kind: "unknown" } : { kind: "found", ingress };
  }

  /** How many ingresses there are. */
  get size(): number {
    return this.#options.catalog.size;
  }

  list(): Iterable<Ingress> {
    return this.#options.catalog.list();
  }

  etag(ingress: Ingress): string {
    return hash("sha256", JSON.stringify(ingress)).slice(0, 32);
  }

  ready(): Readiness {
    const { keeper, problems } = this.#options;
    return { ready: keeper.programmed, reasons: [...keeper.reasons(), ...problems] };
  }

  #named(name: string): Ingress | undefined {
    const id = this.#options.catalog.idOfName(name);
    const ingress = id === undefined ? undefined : this.#options.catalog.get(id);
    return ingress?.name === name ? ingress : undefined;
  }

  /** The ingress as the writer sees it now. Throws `not_found` or `precondition_failed`. */
  #present(id: string, ifMatch: string | undefined): Ingress {
    const before = this.#options.catalog.getStaged(id);
    if (before === undefined) throw new GatewrightError("not_found", "resource not found");
    if (ifMatch !== undefined && ifMatch !== this.etag(before)) {
      throw new GatewrightError(
        "precondition_failed",
        "the ingress was changed meanwhile; read it again and repeat the change",
      );
    }
    return before;
  }
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

function changed(change: IngressChange): Ingress {
  if (change.after === undefined) throw new GatewrightError("internal_error", "a change left no ingress");
  return change.after;
}

/** The request that would make the ingress again. */
function requestOf({ name, tags, listen, gateways, rules }: Ingress): JsonValue {
  return JSON.parse(JSON.stringify({ name, tags, listen, gateways, rules })) as JsonValue;
}
