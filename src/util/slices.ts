import { setImmediate } from "node:timers/promises";

/** Takes some milliseconds, also where each item is a whole rule. */
const SLICE = 100;

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
