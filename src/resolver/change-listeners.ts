import type { Logger } from "../log.ts";
import type { ResolverChange } from "./instance-resolver.ts";

/** Who wants to hear of changed answers. */
export class ChangeListeners {
  readonly #listeners = new Set<(change: ResolverChange) => void>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(listener: (change: ResolverChange) => void): () => void {
    // A wrapper, so that a function given twice is two listeners.
    const entry = (change: ResolverChange): void => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Tells everyone; an empty list of names is no change. */
  tell(change: ResolverChange): void {
    if ("names" in change && change.names.length === 0) return;
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        // One listener's fault must neither keep the others uninformed nor end the loop that follows the source.
        this.#logger.error("a listener to instance changes failed", { error });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
