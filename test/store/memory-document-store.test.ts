import { GatewrightError } from "../../src/errors.ts";
import type { Batch, Change, DocumentStore, Snapshot } from "../../src/store/document-store.ts";
import { documentStoreContract, type Note } from "./document-store.contract.ts";

/** The contract can be fulfilled without files: its smallest implementation. */
class MemoryStore implements DocumentStore<Note> {
  readonly #medium: { revision: number; documents: Map<string, Note> };
  readonly #listeners = new Set<(change: Change<Note>) => void>();
  #isOpen = false;

  constructor(medium: { revision: number; documents: Map<string, Note> }) {
    this.#medium = medium;
  }

  async open(): Promise<Snapshot<Note>> {
    this.#isOpen = true;
    const documents = [...this.#medium.documents.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return { revision: this.#medium.revision, documents, unreadable: [] };
  }

  async commit({ expected, puts, deletes }: Batch<Note>): Promise<number> {
    const { revision, documents } = this.#medium;
    if (!this.#isOpen) throw new GatewrightError("store_unavailable", "The store is not open.");
    if (expected !== revision)
      throw new GatewrightError("store_conflict", `Revision ${revision}, not ${expected}.`);
    for (const put of puts) documents.set(put.id, put);
    for (const id of deletes) documents.delete(id);
    this.#medium.revision += 1;
    for (const listener of this.#listeners) listener({ revision: revision + 1, puts, deletes });
    return revision + 1;
  }

  watch(listener: (change: Change<Note>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }
}

documentStoreContract("a store in memory", async () => {
  const medium = { revision: 0, documents: new Map<string, Note>() };
  return { store: () => new MemoryStore(medium), dispose: async () => undefined };
});
