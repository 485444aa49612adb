import { GatewrightError } from "../errors.ts";
import type { Ingress } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import type { Admission } from "./admission.ts";
import type { Catalog, IngressChange } from "./catalog.ts";
import { type Group, groupChanges } from "./group-changes.ts";
import type { Writer } from "./writer.ts";

/** What the Gatewright that is followed answers. */
export interface FollowedState {
  /** By id. */
  readonly wanted: ReadonlyMap<string, Ingress>;
  /** Ids that it has and this one cannot read. What was known of them is served until another needs its place. */
  readonly unreadable: ReadonlySet<string>;
}

/** One that cannot be served as it is there. */
export interface FollowFailure {
  readonly id: string;
  readonly error: GatewrightError;
}

const followed: Attribution = { actor: { subject: "gatewright", via: "follow" } };

/** Failures that say nothing about the change: it has to be made again as it is. */
const passing: ReadonlySet<string> = new Set([
  "caddy_unavailable",
  "store_unavailable",
  "store_conflict",
  "shutting_down",
]);

/** Ingresses that another Gatewright alone changes. */
export class FollowedIngresses {
  readonly #admission: Admission;
  readonly #catalog: Catalog;
  readonly #writer: Writer;

  constructor(parts: { readonly admission: Admission; readonly catalog: Catalog; readonly writer: Writer }) {
    this.#admission = parts.admission;
    this.#catalog = parts.catalog;
    this.#writer = parts.writer;
  }

  /** Whether there are none, set aside ones included. */
  get isEmpty(): boolean {
    return this.#catalog.size === 0 && this.#catalog.setAside.list().length === 0;
  }

  /**
   * Makes the ingresses those of the other one. All that differs goes into the writer at once; what has to take the
   * place of each other, such as two that swapped hostnames, is one change. Returns what cannot be served, which leaves
   * the rest alone. Throws when nothing can be changed now.
   */
  async take(state: FollowedState): Promise<readonly FollowFailure[]> {
    const { wanted, unreadable } = state;
    const served = [...this.#catalog.values()];
    const isGone = ({ id }: { readonly id: string }): boolean => !wanted.has(id) && !unreadable.has(id);
    const gone = [...served, ...this.#catalog.setAside.list()].filter(isGone).map(({ id }) => id);
    const changed = [...wanted.values()].filter((one) => !isEqual(this.#catalog.get(one.id), one));
    const yielding = new Set([...gone, ...unreadable, ...changed.map(({ id }) => id)]);
    const groups = groupChanges(gone, changed, (ingress) =>
      [...this.#catalog.holdersOf(ingress)].filter((id) => yielding.has(id)),
    );
    const failures = await Promise.all(
      groups.map(async (group) => {
        const error = await this.#attempt(group);
        if (error === undefined) return [];
        const ids = [...group.going, ...group.coming.map(({ id }) => id)];
        return ids.length === 1 ? ids.map((id) => ({ id, error })) : this.#apart(group, gone, yielding);
      }),
    );
    return failures.flat();
  }

  /** One after the other, where all together are refused: an ingress that stands in the way of one that can be served leaves. */
  async #apart(
    { going, coming }: Group,
    gone: readonly string[],
    yielding: ReadonlySet<string>,
  ): Promise<readonly FollowFailure[]> {
    const failures: FollowFailure[] = [];
    const attempt = async (id: string, group: Group): Promise<void> => {
      const error = await this.#attempt(group);
      if (error !== undefined) failures.push({ id, error });
    };
    for (const id of going) if (gone.includes(id)) await attempt(id, { going: [id], coming: [] });
    const taken = new Set<string>();
    for (const ingress of coming) {
      const holders = [...this.#catalog.holdersOf(ingress)];
      const inTheWay = holders.filter((id) => yielding.has(id) && !taken.has(id));
      await attempt(ingress.id, { going: inTheWay, coming: [ingress] });
      if (!failures.some(({ id }) => id === ingress.id)) taken.add(ingress.id);
    }
    return failures;
  }

  /** Makes the changes of a group together; returns why they are refused. Throws what says nothing about them. */
  async #attempt(group: Group): Promise<GatewrightError | undefined> {
    try {
      await this.#writer.submit({ by: followed, decide: () => this.#decide(group) });
      return undefined;
    } catch (error) {
      if (error instanceof GatewrightError && !passing.has(error.code)) return error;
      throw error;
    }
  }

  #decide({ going, coming }: Group): readonly IngressChange[] {
    const changes: IngressChange[] = [
      ...going.map((id) => this.#catalog.stored(id)),
      ...coming.map((after) => ({ ...this.#catalog.stored(after.id), after })),
    ];
    this.#admission.checkTogether(changes);
    return changes;
  }
}

function isEqual(left: Ingress | undefined, right: Ingress): boolean {
  return left !== undefined && JSON.stringify(left) === JSON.stringify(right);
}
