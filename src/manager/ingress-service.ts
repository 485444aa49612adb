import type { CompilerSettings } from "../compiler/settings.ts";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { ApplyResult, CreateIngressRequest, Ingress, Plan, SetAsideIngress } from "../model/api.ts";
import { type Attribution, ourselves } from "../model/attribution.ts";
import type { Revision } from "../store/history/revision.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import type { Admission } from "./admission.ts";
import type { Catalog } from "./catalog.ts";
import { requestOf } from "./ingress-document.ts";
import type {
  IngressManager,
  JsonValue,
  Lookup,
  PlannedCall,
  Readiness,
  WantedSet,
} from "./ingress-manager.ts";
import { setMutation } from "./ingress-set.ts";
import { mergePatch } from "./merge-patch.ts";
import { creation, type Decision, deletion, etagOf, presentIn, replacement } from "./mutations.ts";
import { countsOf, MOST_TOLD, planner, refusedPlan, toldChange, unchangedOf } from "./plan.ts";
import type { Reconciler } from "./reconciler.ts";
import { rollbackSet } from "./rollback.ts";
import type { Committed, Writer } from "./writer.ts";

export interface IngressServiceOptions {
  readonly admission: Admission;
  readonly catalog: Catalog;
  readonly compiler: CompilerSettings;
  readonly store: Pick<IngressStore, "revisions">;
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
    return changed(await this.#make(by, () => creation(request, this.#options)));
  }

  async replace(
    id: string,
    request: CreateIngressRequest,
    ifMatch?: string,
    by: Attribution = ourselves,
  ): Promise<Ingress> {
    return changed(await this.#make(by, () => replacement(id, request, ifMatch, this.#options)));
  }

  async patch(id: string, patch: JsonValue, ifMatch?: string, by: Attribution = ourselves): Promise<Ingress> {
    this.#mayWrite();
    for (;;) {
      const { request, version } = this.#patched(id, patch, ifMatch);
      try {
        // The patch was computed on this version; a change in between has it computed again.
        return await this.replace(id, request, ifMatch ?? version, by);
      } catch (error) {
        if (!isGatewrightError(error, "precondition_failed")) throw error;
      }
    }
  }

  async delete(id: string, ifMatch?: string, by: Attribution = ourselves): Promise<void> {
    await this.#make(by, () => deletion(id, ifMatch, this.#options));
  }

  async apply(set: WantedSet, by: Attribution = ourselves): Promise<ApplyResult> {
    const { changes, revision } = await this.#make(by, () => setMutation(set, this.#options));
    return {
      revision,
      ...countsOf(changes),
      unchanged: unchangedOf(set, changes),
      changes: changes.slice(0, MOST_TOLD).flatMap((change) => toldChange(change) ?? []),
    };
  }

  async plan(wanted: PlannedCall): Promise<Plan> {
    this.#mayWrite();
    const { catalog, compiler, writer } = this.#options;
    try {
      const mutation = await this.#decisionOf(wanted);
      return await writer.rehearse(mutation, () => {
        const plan = planner(catalog, compiler);
        return async (rehearsal) => ({
          ...(await plan(rehearsal)),
          revision: writer.revision,
          unchanged: wanted.kind === "set" ? unchangedOf(wanted.set, rehearsal.changes) : 0,
        });
      });
    } catch (error) {
      return refusedPlan(error, writer.revision);
    }
  }

  async rollbackTo(to: number, ifRevision?: number): Promise<WantedSet> {
    this.#mayWrite();
    // What is changed from here on is not in the set: then another one has to be made.
    const revision = ifRevision ?? this.revision;
    return { ...(await rollbackSet(to, this.#options)), revision };
  }

  revisions(before?: number): AsyncIterable<Revision<Ingress>> {
    return this.#options.store.revisions.newestFirst(before);
  }

  get revision(): number {
    return this.#options.writer.revision;
  }

  async #make(by: Attribution, decide: () => Decision | Promise<Decision>): Promise<Committed> {
    this.#mayWrite();
    const { decide: decision } = await decide();
    return this.#options.writer.submit({ by, decide: decision });
  }

  async #decisionOf(wanted: PlannedCall): Promise<Decision> {
    switch (wanted.kind) {
      case "create":
        return creation(wanted.ingress, this.#options);
      case "replace":
        return replacement(wanted.id, wanted.ingress, undefined, this.#options);
      case "patch": {
        const { request } = this.#patched(wanted.id, wanted.patch);
        return replacement(wanted.id, request, undefined, this.#options);
      }
      case "delete":
        return deletion(wanted.id, undefined, this.#options);
      case "set":
        return setMutation(wanted.set, this.#options);
    }
  }

  /** What a patch makes of the present version. */
  #patched(
    id: string,
    patch: JsonValue,
    ifMatch?: string,
  ): { request: CreateIngressRequest; version: string } {
    const { before } = presentIn(this.#options.catalog, id, ifMatch);
    if (before === undefined)
      throw new GatewrightError("ingress_set_aside", "the ingress is set aside: replace it as a whole (PUT)");
    const patched = mergePatch(requestOf(before) as object as JsonValue, patch);
    return { request: this.#options.admission.parse(patched), version: etagOf(before) };
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
    return etagOf(ingress);
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

function changed({ changes: [change] }: Committed): Ingress {
  if (change?.after === undefined) throw new GatewrightError("internal_error", "a change left no ingress");
  return change.after;
}
