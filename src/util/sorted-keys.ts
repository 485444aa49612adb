/** Above this many changed keys one sort is cheaper than moving the array once for each. */
const SINGLE_CHANGES_AT_MOST = 64;

/** Strings in ascending order of their UTF-16 units, for prefix lookups and ordered lists. */
export class SortedKeys {
  #keys: string[] = [];
  /** The array has been handed out, and must stay as it is. */
  #isShared = false;

  /** Removes and adds in one step. A key that is both stays in. */
  update(removed: ReadonlySet<string>, added: ReadonlySet<string>): void {
    const isShared = this.#isShared;
    this.#isShared = false;
    if (this.#keys.length === 0) {
      this.#keys = [...added].sort();
      return;
    }
    if (removed.size + added.size > SINGLE_CHANGES_AT_MOST) {
      this.#keys = [...this.#keys.filter((key) => !removed.has(key) && !added.has(key)), ...added].sort();
      return;
    }
    if (isShared) this.#keys = [...this.#keys];
    for (const key of removed) {
      if (added.has(key)) continue;
      const at = this.#lowerBound(key);
      if (this.#keys[at] === key) this.#keys.splice(at, 1);
    }
    for (const key of added) {
      const at = this.#lowerBound(key);
      if (this.#keys[at] !== key) this.#keys.splice(at, 0, key);
    }
  }

  /** The first keys that start with the prefix, at most `limit`. */
  startingWith(prefix: string, limit: number): string[] {
    const found: string[] = [];
    for (let at = this.#lowerBound(prefix); found.length < limit; at++) {
      const key = this.#keys[at];
      if (key === undefined || !key.startsWith(prefix)) break;
      found.push(key);
    }
    return found;
  }

  /** All keys as they are now: later changes are made to a copy, which readers at one moment share. */
  values(): readonly string[] {
    this.#isShared = true;
    return this.#keys;
  }

  /** Position of the first key that is not below `key`. */
  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
