import type { IngressRule } from "../api.ts";
import {
  type Asker,
  type Bucket,
  type Claim,
  claimsIn,
  findIn,
  ruleOf,
  takeOut,
  withClaim,
  withoutClaim,
} from "./bucket.ts";

/**
 * Claims of one host and `matchKey` that want methods or headers, found by these.
 *
 * Two of them meet when they share a method and agree in every header that both name: a request has one value of a
 * header. Claims with the same header names share a group; a rule with other names is compared with a group by the names
 * of both. So no search is needed but for the groups, whose number `conflicts` bounds within a document.
 */
export class SelectedClaims {
  /** Header names → claims. */
  readonly #groups = new Map<string, Group>();

  add(claim: Claim): void {
    const headers = headersOf(ruleOf(claim));
    const key = [...headers.keys()].join();
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Group([...headers.keys()]);
      this.#groups.set(key, group);
    }
    group.add(claim, headers);
  }

  /** Whether nothing is left. */
  remove(claim: Claim): boolean {
    const headers = headersOf(ruleOf(claim));
    const key = [...headers.keys()].join();
    if (this.#groups.get(key)?.remove(claim, headers) === true) this.#groups.delete(key);
    return this.#groups.size === 0;
  }

  /** A claim that can match a request that the rule matches, all other things being equal. */
  find(rule: IngressRule, asker: Asker): Claim | undefined {
    const headers = headersOf(rule);
    for (const group of this.#groups.values()) {
      const found = group.find(rule, headers, asker);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** How many sets of header names there would be with the rule's. */
  headerSetsWith(rule: IngressRule): number {
    const key = [...headersOf(rule).keys()].join();
    return this.#groups.size + (this.#groups.has(key) ? 0 : 1);
  }

  /** A claim of any methods and headers. */
  findAny(asker: Asker): Claim | undefined {
    for (const group of this.#groups.values()) {
      const found = group.findAny(asker);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** All claims that are in the way. */
  *all(asker: Asker): Generator<Claim> {
    for (const group of this.#groups.values()) yield* group.all(asker);
  }
}

/** Names in lowercase and in their order, with the values. */
type Headers = ReadonlyMap<string, string>;

/** Method and header values → claims, for some of the names of a group. */
interface Index {
  readonly names: readonly string[];
  readonly cells: Map<string, Bucket>;
}

/** Claims with the same header names. */
class Group {
  readonly #names: readonly string[];
  /** The first is of all names; others are made when a rule shares only some of them. */
  readonly #indexes: Index[];
  #all: Bucket | undefined;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#indexes = [{ names, cells: new Map() }];
  }

  add(claim: Claim, headers: Headers): void {
    this.#all = withClaim(this.#all, claim);
    for (const index of this.#indexes) addTo(index, claim, headers);
  }

  /** Whether nothing is left. */
  remove(claim: Claim, headers: Headers): boolean {
    this.#all = withoutClaim(this.#all, claim);
    for (const { names, cells } of this.#indexes)
      for (const key of cellKeys(ruleOf(claim), names, headers)) takeOut(cells, key, claim);
    return this.#all === undefined;
  }

  find(rule: IngressRule, headers: Headers, asker: Asker): Claim | undefined {
    const { names, cells } = this.#indexOf(this.#names.filter((name) => headers.has(name)));
    for (const key of cellKeys(rule, names, headers)) {
      const found = findIn(cells.get(key), asker);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  findAny(asker: Asker): Claim | undefined {
    return findIn(this.#all, asker);
  }

  all(asker: Asker): readonly Claim[] {
    return claimsIn(this.#all, asker);
  }

  #indexOf(names: readonly string[]): Index {
    const known = this.#indexes.find(
      (index) => index.names.length === names.length && index.names.every((name, at) => name === names[at]),
    );
    if (known !== undefined) return known;
    const index: Index = { names, cells: new Map() };
    for (const claim of claimsIn(this.#all)) addTo(index, claim, headersOf(ruleOf(claim)));
    this.#indexes.push(index);
    return index;
  }
}

function addTo({ names, cells }: Index, claim: Claim, headers: Headers): void {
  for (const key of cellKeys(ruleOf(claim), names, headers)) cells.set(key, withClaim(cells.get(key), claim));
}

/** One key for each method, since two lists meet when they share one. Rules of one `matchKey` all have methods, or none. */
function cellKeys(rule: IngressRule | undefined, names: readonly string[], headers: Headers): string[] {
  const values = names.length === 0 ? "" : JSON.stringify(names.map((name) => headers.get(name)));
  return (rule?.match.methods ?? [""]).map((method) => `${method} ${values}`);
}

function headersOf(rule: IngressRule | undefined): Headers {
  const entries = Object.entries(rule?.match.headers ?? {});
  return new Map(
    entries
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .sort(([left], [right]) => (left < right ? -1 : 1)),
  );
}
