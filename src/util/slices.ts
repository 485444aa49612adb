import { setImmediate } from "node:timers/promises";

/** Takes some milliseconds, also where each item is a whole rule. */
const SLICE = 100;

/** Counts work, and gives everything else that waits for the process its turn after each slice of it. */
export class Slices {
  #done = 0;

  /** To be awaited after so much work. */
  async after(items: number): Promise<void> {
    this.#done += items;
    if (this.#done < SLICE) return;
    this.#done = 0;
    await setImmediate();
  }
}

/**
 * Maps items in slices, between which everything else that waits for the process has its turn: a long document must not
 * hold up DNS answers and health checks.
 */
export async function mapInSlices<T, R>(
  items: readonly T[],
  map: (item: T, index: number) => R,
): Promise<R[]> {
  const mapped: R[] = [];
  for (const [index, item] of items.entries()) {
    if (index > 0 && index % SLICE === 0) await setImmediate();
    mapped.push(map(item, index));
  }
  return mapped;
}
