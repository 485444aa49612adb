import { setImmediate } from "node:timers/promises";

/** Takes some milliseconds, also where each item is a whole rule. */
const SLICE = 100;
/** Ends a slice of larger items. */
const SLICE_MS = 5;

/** Counts work, and gives everything else that waits for the process its turn after each slice of it. */
export class Slices {
  #done = 0;
  #began = performance.now();

  /** To be awaited after so much work. */
  async after(items: number): Promise<void> {
    this.#done += items;
    if (this.#done < SLICE && performance.now() - this.#began < SLICE_MS) return;
    await setImmediate();
    this.#done = 0;
    this.#began = performance.now();
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
  const slices = new Slices();
  for (const [index, item] of items.entries()) {
    mapped.push(map(item, index));
    if (index + 1 < items.length) await slices.after(1);
  }
  return mapped;
}

/** Runs for each item in such slices. */
export async function eachInSlices<T>(items: Iterable<T>, run: (item: T) => void): Promise<void> {
  const slices = new Slices();
  for (const item of items) {
    run(item);
    await slices.after(1);
  }
}
