import type { CompilerSettings } from "../compiler/settings.ts";
import { tlsNeeds } from "../compiler/tls-needs.ts";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { ApplyResult, CreateIngressRequest, Ingress, Plan, SetAsideIngress } from "../model/api.ts";
import { type Attribution, ourselves } from "../model/attribution.ts";
import type { Owner } from "../model/limits.ts";
import type { Revision } from "../store/history/revision.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import type { Admission } from "./admission.ts";
import type { Catalog } from "./catalog.ts";
import { ownerOf, requestOf } from "./ingress-document.ts";
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
import { checkLimits, checkSetLimits, isOwn, ownDecision, withoutOthers } from "./own-changes.ts";
import { ownRevisions } from "./own-history.ts";
import { countsOf, MOST_TOLD, planner, refusedPlan, toldChange, unchangedOf } from "./plan.ts";
import { onPresentState } from "./present-state.ts";
import { ownReadiness, readiness } from "./readiness.ts";
import type { Reconciler } from "./reconciler.ts";
import { restoration } from "./restoration.ts";
import { rollbackSet } from "./rollback.ts";
import { ShownIngresses } from "./shown-ingresses.ts";
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
  /** Makes sure that instances and certificates are known that were made at other gateways. Default: there are none. */
  readonly confirmReferences?: (() => Promise<void>) | undefined;
  /** Present: for a caller with limits. Others' ingresses do not exist, and no change goes beyond them. */
  readonly own?: Owner;
}

/** Creates, changes and finds ingresses. A promise that resolves means: served by Caddy and durable. */
export class IngressService implements IngressManager {
  readonly #options: IngressServiceOptions;
  readonly #shown: ShownIngresses;

  constructor(options: IngressServiceOptions) {
    this.#options = options;
    this.#shown = new ShownIngresses(options.catalog, options.own);
  }

  of({ limits, subject }: Parameters<IngressManager["of"]>[0]): IngressManager {
    return limits === undefined ? this : new IngressService({ ...this.#options, own: { limits, subject } });
  }

  async create(request: CreateIngressRequest, by: Attribution = ourselves): Promise<Ingress> {
    return changed(await this.#make(by, { kind: "create", ingress: request }));
  }

  async replace(
    id: string,
    request: CreateIngressRequest,
    ifMatch?: string,
    by: Attribution = ourselves,
  ): Promise<Ingress> {
    return changed(await this.#make(by, { kind: "replace", id, ingress: request }, ifMatch));
  }

  async patch(id: string, patch: JsonValue, ifMatch?: string, by: Attribution = ourselves): Promise<Ingress> {
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
    await this.#make(by, { kind: "delete", id }, ifMatch);
  }

  async apply(set: WantedSet, by: Attribution = ourselves): Promise<ApplyResult> {
    const { changes, revision } = await this.#make(by, { kind: "set", set });
    return {
      revision,
      ...countsOf(changes),
      unchanged: unchangedOf(set, changes),
      changes: changes.slice(0, MOST_TOLD).flatMap((change) => toldChange(change) ?? []),
    };
  }

  /**
   * Takes ingresses in as they were stored elsewhere, ids and times included, all or none of them. As at a start they are checked
   * against each other and against Caddy alone. Throws with every conflict.
   */
  async restore(ingresses: readonly Ingress[], by: Attribution = ourselves): Promise<void> {
    const { admission, writer } = this.#options;
    await writer.submit({ by, decide: () => restoration(ingresses, admission) });
  }

  async plan(wanted: PlannedCall): Promise<Plan> {
    const { catalog, compiler, writer } = this.#options;
    try {
      const mutation = await this.#decisionOf(wanted, ourselves);
      return await writer.rehearse(mutation, () => {
        const plan = planner(catalog, compiler);
        return async (rehearsal) => ({
          ...this.#shownPlan(await plan(rehearsal)),
          revision: writer.revision,
          unchanged: wanted.kind === "set" ? unchangedOf(wanted.set, rehearsal.changes) : 0,
        });
      });
    } catch (error) {
      return refusedPlan(this.#told(error), writer.revision);
    }
  }

  async rollbackTo(to: number, ifRevision?: number): Promise<WantedSet> {
    // What is changed from here on is not in the set: then another one has to be made.
    const revision = ifRevision ?? this.revision;
    return { ...(await rollbackSet(to, this.#options)), revision };
  }

  revisions(before?: number): AsyncIterable<Revision<Ingress>> {
    const { own, store } = this.#options;
    const all = store.revisions.newestFirst(before);
    return own === undefined ? all : ownRevisions(all, own);
  }

  get revision(): number {
    return this.#options.writer.revision;
  }

  async #make(by: Attribution, wanted: PlannedCall, ifMatch?: string): Promise<Committed> {
    const { confirmReferences, writer } = this.#options;
    try {
      return await onPresentState({ writer, confirmReferences }, async () => {
        const { decide } = await this.#decisionOf(wanted, by, ifMatch);
        return writer.submit({ by, decide });
      });
    } catch (error) {
      throw this.#told(error);
    }
  }

  /** Every change, planned or made, comes from here. */
  async #decisionOf(wanted: PlannedCall, by: Attribution, ifMatch?: string): Promise<Decision> {
    const { admission, catalog, compiler, own } = this.#options;
    if (own === undefined) return this.#freeDecision(wanted, ownerOf(by), ifMatch);
    if (wanted.kind === "create" || wanted.kind === "replace") checkLimits(wanted.ingress.rules, own);
    if (wanted.kind === "set") checkSetLimits(wanted.set, own);
    const set = wanted.kind === "set" ? this.#ownSet(wanted.set, own) : undefined;
    const within = set === undefined ? wanted : ({ kind: "set", set } as const);
    const certificateId = (reference: string) => admission.certificateId(reference);
    return ownDecision(await this.#freeDecision(within, own.subject, ifMatch), own, {
      catalog,
      certificateId,
      httpPort: compiler.httpPort,
      set,
    });
  }

  /** What Caddy would do depends on the rules of everybody: who has the same policies, ports and names. */
  #shownPlan<Part extends Pick<Plan, "effect">>({
    effect,
    ...plan
  }: Part): Omit<Part, "effect"> & Pick<Plan, "effect"> {
    return this.#options.own === undefined && effect !== undefined ? { ...plan, effect } : plan;
  }

  #told(error: unknown): unknown {
    return this.#options.own === undefined ? error : withoutOthers(error);
  }

  /** New ones are the caller's, and of those that are not wanted only their own go. */
  #ownSet({ goes, ingresses, ...set }: WantedSet, own: Owner): WantedSet {
    return {
      ...set,
      ingresses: ingresses.map((one) => ({ ...one, owner: own.subject })),
      ...(goes === undefined ? {} : { goes: (one) => isOwn(one, own) && goes(one) }),
    };
  }

  async #freeDecision(
    wanted: PlannedCall,
    owner: string | undefined,
    ifMatch: string | undefined,
  ): Promise<Decision> {
    switch (wanted.kind) {
      case "create":
        return creation(wanted.ingress, this.#options, owner);
      case "replace":
        return replacement(wanted.id, wanted.ingress, ifMatch, this.#options);
      case "patch": {
        const { request } = this.#patched(wanted.id, wanted.patch, ifMatch);
        if (this.#options.own !== undefined) checkLimits(request.rules, this.#options.own);
        return replacement(wanted.id, request, ifMatch, this.#options);
      }
      case "delete":
        return deletion(wanted.id, ifMatch, this.#options);
      case "set":
        return setMutation(wanted.set, this.#options, owner);
    }
  }

  /** What a patch makes of the present version. */
  #patched(
    id: string,
    patch: JsonValue,
    ifMatch?: string,
  ): { request: CreateIngressRequest; version: string } {
    const { before, setAside } = presentIn(this.#options.catalog, id, ifMatch);
    if (this.#shown.visible(before ?? setAside) === undefined)
      throw new GatewrightError("not_found", "resource not found");
    if (before === undefined)
      throw new GatewrightError("ingress_set_aside", "the ingress is set aside: replace it as a whole (PUT)");
    const patched = mergePatch(requestOf(before) as object as JsonValue, patch);
    return { request: this.#options.admission.parse(patched), version: etagOf(before) };
  }

  get(id: string): Ingress | undefined {
    return this.#shown.get(id);
  }

  lookup(reference: string): Lookup {
    return this.#shown.lookup(reference);
  }

  async find(reference: string): Promise<Lookup> {
    const seen = this.revision;
    const found = this.lookup(reference);
    if (found.kind !== "unknown") return found;
    // While nobody can be asked, what is served here counts.
    const isNew = await this.#options.writer.catchUp(seen).catch(() => false);
    return isNew ? this.lookup(reference) : found;
  }

  /** Makes sure that nothing is missing of what other gateways have changed until now. Throws `store_unavailable`. */
  async confirm(): Promise<void> {
    await this.#options.writer.catchUp(this.revision);
  }

  /** How many ingresses there are. */
  get size(): number {
    return this.#options.catalog.size;
  }

  list(order: "id" | "name" = "id"): Iterable<Ingress> {
    return this.#shown.list(order);
  }

  present(): Iterable<Ingress> {
    return this.#shown.present();
  }

  certificatesOf({ rules }: Ingress): readonly string[] {
    const needs = rules.flatMap((rule) => tlsNeeds(rule, this.#options.compiler) ?? []);
    return needs.flatMap((need) =>
      need.kind === "managed" ? need.subject : need.kind === "certificate" ? need.id : [],
    );
  }

  setAside(): readonly SetAsideIngress[] {
    return this.#shown.setAside();
  }

  etag(ingress: Ingress | SetAsideIngress): string {
    return etagOf(ingress);
  }

  ready(): Readiness {
    const { own, problems, reconciler } = this.#options;
    const setAside = this.setAside();
    return own === undefined
      ? readiness(reconciler, { setAside, problems })
      : ownReadiness(reconciler, setAside);
  }
}

function changed({ changes: [change] }: Committed): Ingress {
  if (change?.after === undefined) throw new GatewrightError("internal_error", "a change left no ingress");
  return change.after;
}
