import type { Ingress } from "../model/api.ts";

/** Above this many changes one pass over all is cheaper than moving the array once for each. */
const SINGLE_CHANGES_AT_MOST = 64;

/** Ingresses by ascending name, which are sorted when somebody asks: changes before the first question cost nothing. */
export class IngressesByName {
  #sorted: readonly Ingress[] | undefined;
  /** Names that have changed since somebody asked → who has them now. */
  readonly #changed = new Map<string, Ingress | undefined>();

  /** Whether somebody has asked, so that changes have to be noted. */
  get isAsked(): boolean {
    return this.#sorted !== undefined;
  }

  /** One that goes, one that comes, or one that becomes another. */
  note(before: Ingress | undefined, after: Ingress | undefined): void {
    if (this.#sorted === undefined) return;
    if (before !== undefined && before.name !== after?.name) {
      // In one batch two may exchange their names: then it is taken already.
      const taker = this.#changed.get(before.name);
      if (taker === undefined || taker.id === before.id) this.#changed.set(before.name, undefined);
    }
    if (after !== undefined) this.#changed.set(after.name, after);
  }

  /** All in order, as they are now; `all` has them where nobody has asked before. */
  values(all: () => Iterable<Ingress>): readonly Ingress[] {
    if (this.#sorted === undefined) this.#sorted = sorted(all());
    else if (this.#changed.size > SINGLE_CHANGES_AT_MOST) this.#sorted = merged(this.#sorted, this.#changed);
    else if (this.#changed.size > 0) this.#sorted = changedOneByOne(this.#sorted, this.#changed);
    this.#changed.clear();
    return this.#sorted;
  }
}

/** Names are sorted instead of ingresses: several times as fast as by a function that compares. */
function sorted(all: Iterable<Ingress>): readonly Ingress[] {
  const named = new Map<string, Ingress>();
  for (const one of all) named.set(one.name, one);
  return [...named.keys()].sort().map((name) => named.get(name) as Ingress);
}

function changedOneByOne(
  before: readonly Ingress[],
  changed: ReadonlyMap<string, Ingress | undefined>,
): readonly Ingress[] {
  const after = [...before];
  for (const [name, ingress] of changed) {
    const at = placeOf(after, name);
    const isThere = after[at]?.name === name;
    if (ingress !== undefined) after.splice(at, isThere ? 1 : 0, ingress);
    else if (isThere) after.splice(at, 1);
  }
  return after;
}

function merged(
  before: readonly Ingress[],
  changed: ReadonlyMap<string, Ingress | undefined>,
): readonly Ingress[] {
  const come = sorted([...changed.values()].filter((one) => one !== undefined));
  const after: Ingress[] = [];
  let next = 0;
  for (const one of before) {
    if (changed.has(one.name)) continue;
    for (let other = come[next]; other !== undefined && other.name < one.name; other = come[++next])
      after.push(other);
    after.push(one);
  }
  for (; next < come.length; next++) after.push(come[next] as Ingress);
  return after;
}

/** Position of the first whose name is not below. */
function placeOf(ingresses: readonly Ingress[], name: string): number {
  let low = 0;
  for (let high = ingresses.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((ingresses[middle] as Ingress).name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
