interface Kept<T> {
  readonly key: number;
  readonly item: T;
}

/** Keeps so many of the items that it is offered: those with the smallest keys. Holds twice as many at the most. */
export class Smallest<T> {
  readonly #most: number;
  #kept: Kept<T>[] = [];
  /** No item with this key or a larger one is among them. */
  #bound = Number.POSITIVE_INFINITY;

  constructor(most: number) {
    this.#most = most;
  }

  offer(key: number, item: T): void {
    if (key >= this.#bound) return;
    this.#kept.push({ key, item });
    if (this.#kept.length >= 2 * this.#most) this.#cut();
  }

  /** Ascending by their keys. */
  items(): readonly T[] {
    this.#cut();
    return this.#kept.map(({ item }) => item);
  }

  #cut(): void {
    const sorted = this.#kept.sort((one, other) => one.key - other.key);
    if (sorted.length < this.#most) return;
    this.#kept = sorted.slice(0, this.#most);
    this.#bound = this.#kept.at(-1)?.key ?? Number.NEGATIVE_INFINITY;
  }
}
