import { GatewrightError } from "../../src/errors.ts";
import type {
  Batch,
  Change,
  Document,
  DocumentStore,
  Snapshot,
  UnreadableDocument,
} from "../../src/store/document-store.ts";
import { type Revision, type RevisionLog, revisionOf } from "../../src/store/history/revision.ts";

/**
 * A DocumentStore that keeps its documents in memory: the same compare-and-set and watch, as test/store holds it to.
 * Closed and opened again, it has what it had.
 */
export class MemoryStore<T extends Document> implements DocumentStore<T> {
  /** Every batch that was committed, in order. */
  readonly commits: Batch<T>[] = [];
  /** Awaited before each commit; a rejection is the medium's refusal. */
  beforeCommit: () => Promise<void> = () => Promise.resolve();
  readonly #documents: Map<string, T>;
  readonly #unreadable: readonly UnreadableDocument[];
  readonly #history: Revision<T>[] = [];
  readonly #listeners = new Set<(change: Change<T>) => void>();
  #revision = 0;
  #isOpen = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(documents: readonly T[] = [], unreadable: readonly UnreadableDocument[] = []) {
    this.#documents = new Map(documents.map((document) => [document.id, document]));
    this.#unreadable = unreadable;
  }

  async open(): Promise<Snapshot<T>> {
    this.#isOpen = true;
    return {
      revision: this.#revision,
      documents: [...this.#documents.values()].sort((one, other) => (one.id < other.id ? -1 : 1)),
      unreadable: this.#unreadable,
    };
  }

  commit(batch: Batch<T>): Promise<number> {
    if (!this.#isOpen)
      return Promise.reject(new GatewrightError("store_unavailable", "the store is not open"));
    const done = this.#last.then(() => this.#commit(batch));
    this.#last = done.catch(() => undefined);
    return done;
  }

  get revisions(): RevisionLog<T> {
    const history = this.#history;
    return {
      async *newestFirst(before = Number.POSITIVE_INFINITY) {
        for (const one of history.toReversed()) if (one.revision < before) yield one;
      },
    };
  }

  watch(listener: (change: Change<T>) => void): () => void {
    const entry = (change: Change<T>): void => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#last;
    this.#listeners.clear();
  }

  async #commit(batch: Batch<T>): Promise<number> {
    await this.beforeCommit();
    if (batch.expected !== this.#revision) {
      throw new GatewrightError(
        "store_conflict",
        `expected revision ${batch.expected}, found ${this.#revision}`,
      );
    }
    for (const document of batch.puts) this.#documents.set(document.id, document);
    for (const id of batch.deletes) this.#documents.delete(id);
    this.#revision++;
    this.commits.push(batch);
    if (batch.record !== undefined) this.#history.push(revisionOf(this.#revision, batch.record));
    for (const listener of this.#listeners)
      listener({ revision: this.#revision, puts: batch.puts, deletes: batch.deletes });
    return this.#revision;
  }
}
