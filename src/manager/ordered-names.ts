import { SortedKeys } from "../util/sorted-keys.ts";

/** Names in ascending order, which are sorted when somebody asks: changes before the first question cost nothing. */
export class OrderedNames {
  #keys: SortedKeys | undefined;
  readonly #gone = new Set<string>();
  readonly #come = new Set<string>();

  /** Whether somebody has asked, so that changes have to be noted. */
  get isAsked(): boolean {
    return this.#keys !== undefined;
  }

  /** A name that goes, one that comes, or one that becomes another. */
  note(before: string | undefined, after: string | undefined): void {
    if (this.#keys === undefined || before === after) return;
    if (before !== undefined) {
      this.#come.delete(before);
      this.#gone.add(before);
    }
    if (after !== undefined) {
      this.#gone.delete(after);
      this.#come.add(after);
    }
  }

  /** All names in order; `all` has them where nobody has asked before. */
  values(all: () => Iterable<string>): readonly string[] {
    if (this.#keys === undefined) {
      this.#keys = new SortedKeys();
      this.#keys.update(new Set(), new Set(all()));
    } else if (this.#gone.size + this.#come.size > 0) {
      this.#keys.update(this.#gone, this.#come);
    }
    this.#gone.clear();
    this.#come.clear();
    return this.#keys.values();
  }
}
