import { isGatewrightError } from "../errors.ts";

/**
 * Which host table of Caddy's is ours. Its version is what the one says who gave it, so that Caddy counts the changes
 * of its process, and so do we: a count that we cannot have made says that somebody else changed the table.
 */
export class TableCount {
  /** When the table was last known to be ours; undefined before, and with another process. */
  #known: number | undefined;
  /** Changes of ours since then that may have been made: their answers were lost, or are to come. */
  #pending = 0;

  /** Another process counts from zero. What it has is ours when its version is. */
  forget(): void {
    this.#known = undefined;
    this.#pending = 0;
  }

  /** The table is ours at this count. */
  know(changes: number | undefined): void {
    this.#known = changes;
    this.#pending = 0;
  }

  /** Whether nobody but us can have made so many changes. A lower count is that of another process. */
  isOurs(changes: number | undefined): boolean {
    if (changes === undefined || this.#known === undefined) return true;
    return changes <= this.#known + this.#pending;
  }

  /** Makes a change of ours. Throws as it does. */
  async change(make: () => Promise<void>): Promise<void> {
    this.#pending += 1;
    try {
      await make();
    } catch (error) {
      // Refused ones are not counted.
      if (!isGatewrightError(error, "caddy_unavailable")) this.#pending = Math.max(0, this.#pending - 1);
      throw error;
    }
  }
}
