import type { Change, Document } from "./document-store.ts";

/** Tells everyone who watches a store of a commit. It stands whatever they do: an error of theirs is a bug, and surfaces as an uncaught one. */
export function announce<T extends Document>(
  listeners: Iterable<(change: Change<T>) => void>,
  change: Change<T>,
): void {
  for (const listener of listeners) {
    try {
      listener(change);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
