import { apiClaimant, apiRows } from "../compiler/api-rows.ts";
import { ConfigNeeds, type NeedsView } from "../compiler/config-needs.ts";
import { TableDigest } from "../compiler/digest.ts";
import { type CompiledRow, compileRows } from "../compiler/rows.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Ingress, SetAsideIngress } from "../model/api.ts";
import { ClaimIndex } from "../model/claims/claim-index.ts";
import { SortedKeys } from "../util/sorted-keys.ts";
import { IngressesByName } from "./ingresses-by-name.ts";
import { Owners } from "./owners.ts";
import { SetAside } from "./set-aside.ts";

/** One ingress before and after a mutation; a creation has no `before`, a deletion no `after`. */
export interface IngressChange {
  readonly before?: Ingress;
  readonly after?: Ingress;
  /** What was set aside under the same id, and is not any more. */
  readonly setAside?: SetAsideIngress;
}

/** The id of the ingress that a change is of; undefined when it changes nothing. */
export function changedId({ before, after, setAside }: IngressChange): string | undefined {
  return after?.id ?? before?.id ?? setAside?.id;
}

/** What a batch of changes does to the host table. */
export interface RowChanges {
  readonly remove: readonly string[];
  readonly upsert: readonly CompiledRow[];
}

/** Ids → ingresses as a list shall have them. */
type Replaced = Map<string, Ingress | undefined>;

/** Above this many changed ids all are sorted again when the order is needed. */
const MOST_NOTED = 64;

/**
 * All ingresses and what is derived from them: names, claims, needs, digest of the host table.
 *
 * Readers see committed ingresses only. The single writer stages changes on top of each other and then commits or
 * unstages them; the derived parts follow the staged state.
 */
export class Catalog {
  readonly claims = new ClaimIndex();
  readonly needs = new ConfigNeeds();
  readonly setAside = new SetAside();
  /** Who has which ingresses and hosts, as staged. */
  readonly owners = new Owners();
  readonly #settings: CompilerSettings;
  /** Those of Gatewright's own API, which are there before any ingress is. */
  readonly #ownRows: readonly CompiledRow[];
  readonly #committed = new Map<string, Ingress>();
  #staged = new Map<string, Ingress | undefined>();
  readonly #names = new Map<string, string>();
  readonly #digest = new TableDigest();
  /** Ids of committed ingresses in order, but for those in `#unsorted`: writes need no order, and pay for none. */
  #order = new SortedKeys();
  #unsorted = new Set<string>();
  readonly #byName = new IngressesByName();
  #committedVersion = this.#digest.version();
  #committedTls = 0;
  /** What changed since the lists under way began: a list is of one moment, and copying all for each costs too much. */
  readonly #lists = new Set<Replaced>();

  constructor(settings: CompilerSettings) {
    this.#settings = settings;
    this.#ownRows = apiRows(settings);
    const claimant = apiClaimant(settings);
    if (claimant !== undefined) this.claims.reserve(claimant);
    for (const compiled of this.#ownRows) this.#count(compiled);
    this.#committedVersion = this.#digest.version();
    this.#committedTls = this.needs.tlsGeneration;
  }

  /** A committed ingress. */
  get(id: string): Ingress | undefined {
    return this.#committed.get(id);
  }

  /** An ingress as the writer sees it, changes in flight included. */
  getStaged(id: string): Ingress | undefined {
    return this.#staged.has(id) ? this.#staged.get(id) : this.#committed.get(id);
  }

  /** What the writer sees under an id, for a change of it: an ingress, or one that is set aside. */
  stored(id: string): Pick<IngressChange, "before" | "setAside"> {
    const before = this.getStaged(id);
    if (before !== undefined) return { before };
    const setAside = this.setAside.get(id);
    return setAside === undefined ? {} : { setAside };
  }

  /** Ids of those that have or are about to have the name or claims of an ingress. */
  holdersOf(ingress: Ingress): Set<string> {
    const holders = this.claims.holders(ingress.rules, ingress.id, ingress);
    const named = this.#names.get(ingress.name);
    if (named !== undefined && named !== ingress.id) holders.add(named);
    return holders;
  }

  /** Id of the ingress that has or is about to have this name. */
  idOfName(name: string): string | undefined {
    return this.#names.get(name);
  }

  /** The committed ingress of a name. */
  committedNamed(name: string): Ingress | undefined {
    const staged = this.#committed.get(this.#names.get(name) ?? "");
    if (staged?.name === name) return staged;
    // The name is about to go, or to go to another.
    for (const id of this.#staged.keys()) {
      const ingress = this.#committed.get(id);
      if (ingress?.name === name) return ingress;
    }
    return undefined;
  }

  /** Committed ingresses by ascending id, as they are when the iteration begins. */
  *list(): Generator<Ingress> {
    const replaced: Replaced = new Map();
    this.#lists.add(replaced);
    try {
      for (const id of this.#sorted().values()) {
        const ingress = replaced.has(id) ? replaced.get(id) : this.#committed.get(id);
        if (ingress !== undefined) yield ingress;
      }
    } finally {
      this.#lists.delete(replaced);
    }
  }

  /** Committed ingresses by ascending name, as they are now. */
  listByName(): readonly Ingress[] {
    return this.#byName.values(() => this.#committed.values());
  }

  /** Committed ingresses in no order. */
  values(): IterableIterator<Ingress> {
    return this.#committed.values();
  }

  /** Ids of all, as the writer sees them, in no order. */
  *stagedIds(): Generator<string> {
    for (const id of this.#committed.keys()) if (!this.#staged.has(id)) yield id;
    for (const [id, ingress] of this.#staged) if (ingress !== undefined) yield id;
  }

  /** The first ids of committed ingresses that start with the prefix, at most `limit`. */
  idsStartingWith(prefix: string, limit: number): readonly string[] {
    return this.#sorted().startingWith(prefix, limit);
  }

  /** How many are committed. */
  get size(): number {
    return this.#committed.size;
  }

  /** Version of the host table that the committed ingresses make. */
  get committedVersion(): string {
    return this.#committedVersion;
  }

  /** Version of the host table as staged. */
  get stagedVersion(): string {
    return this.#digest.version();
  }

  /** Another number whenever the committed ingresses need other certificates. */
  get committedTls(): number {
    return this.#committedTls;
  }

  /** What the committed ingresses need. Goes through them all while something is staged. */
  committedNeeds(): NeedsView {
    if (this.#staged.size === 0) return this.needs;
    const needs = new ConfigNeeds();
    for (const compiled of this.#ownRows) needs.add(compiled);
    for (const ingress of this.#committed.values())
      for (const compiled of compileRows(ingress, this.#settings)) needs.add(compiled);
    return needs;
  }

  /** Every row as staged. */
  rows(): CompiledRow[] {
    const rows: CompiledRow[] = [...this.#ownRows];
    const collect = (ingress: Ingress): void => {
      for (const compiled of compileRows(ingress, this.#settings)) rows.push(compiled);
    };
    for (const ingress of this.#committed.values()) if (!this.#staged.has(ingress.id)) collect(ingress);
    for (const ingress of this.#staged.values()) if (ingress !== undefined) collect(ingress);
    return rows;
  }

  /** Takes in a stored ingress at a start, committed as it is; as `stage` and `commit` of it at a lower price. */
  load(ingress: Ingress): void {
    this.#committed.set(ingress.id, ingress);
    this.#claim(ingress);
    for (const compiled of compileRows(ingress, this.#settings)) this.#count(compiled);
  }

  /** Ends a series of `load`. */
  loaded(): void {
    this.#order = new SortedKeys();
    this.#order.update(new Set(), new Set(this.#committed.keys()));
    this.#unsorted = new Set();
    this.#committedVersion = this.#digest.version();
    this.#committedTls = this.needs.tlsGeneration;
  }

  /** Stages a change and returns what it does to the host table. */
  stage(change: IngressChange): RowChanges {
    const id = changedId(change);
    if (id === undefined) return { remove: [], upsert: [] };
    if (change.setAside !== undefined) this.setAside.remove(id);
    this.#staged.set(id, change.after);
    return this.#derive(change);
  }

  /**
   * Takes back staged changes; they must come in the reverse order of their staging. Returns what that does to the host
   * table.
   */
  unstage(change: IngressChange): RowChanges {
    const id = changedId(change);
    if (id === undefined) return { remove: [], upsert: [] };
    if (change.setAside !== undefined) this.setAside.add(change.setAside);
    if (this.#committed.get(id) === change.before) this.#staged.delete(id);
    else this.#staged.set(id, change.before);
    return this.#derive({
      ...(change.after ? { before: change.after } : {}),
      ...(change.before ? { after: change.before } : {}),
    });
  }

  /** Makes all staged changes visible to readers. */
  commit(): void {
    const staged = this.#staged;
    for (const replaced of this.#lists)
      for (const id of staged.keys()) if (!replaced.has(id)) replaced.set(id, this.#committed.get(id));
    if (this.#byName.isAsked)
      for (const [id, ingress] of staged) this.#byName.note(this.#committed.get(id), ingress);
    for (const id of staged.keys()) {
      if (this.#unsorted.size > MOST_NOTED) break;
      this.#unsorted.add(id);
    }
    for (const [id, ingress] of staged) {
      if (ingress === undefined) this.#committed.delete(id);
      else this.#committed.set(id, ingress);
    }
    this.#staged = new Map();
    this.#committedVersion = this.#digest.version();
    this.#committedTls = this.needs.tlsGeneration;
  }

  #sorted(): SortedKeys {
    const ids = this.#unsorted;
    if (ids.size === 0) return this.#order;
    this.#unsorted = new Set();
    if (ids.size > MOST_NOTED) {
      this.#order = new SortedKeys();
      this.#order.update(new Set(), new Set(this.#committed.keys()));
    } else {
      const present = new Set([...ids].filter((id) => this.#committed.has(id)));
      this.#order.update(ids, present);
    }
    return this.#order;
  }

  #derive({ before, after }: IngressChange): RowChanges {
    const remove = new Set<string>();
    const upsert: CompiledRow[] = [];
    if (before !== undefined) {
      this.claims.remove(before);
      this.owners.remove(before);
      if (this.#names.get(before.name) === before.id) this.#names.delete(before.name);
      for (const compiled of compileRows(before, this.#settings)) {
        this.needs.remove(compiled);
        this.#digest.remove(compiled.row);
        remove.add(compiled.row.id);
      }
    }
    if (after !== undefined) {
      this.#claim(after);
      for (const compiled of compileRows(after, this.#settings)) {
        this.#count(compiled);
        remove.delete(compiled.row.id);
        upsert.push(compiled);
      }
    }
    return { remove: [...remove], upsert };
  }

  #claim(ingress: Ingress): void {
    this.claims.add(ingress);
    this.owners.add(ingress);
    this.#names.set(ingress.name, ingress.id);
  }

  #count(compiled: CompiledRow): void {
    this.needs.add(compiled);
    this.#digest.add(compiled.row);
  }
}
