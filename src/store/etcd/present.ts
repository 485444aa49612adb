import type { Document, OthersCommit, Snapshot, UnreadableDocument } from "../document-store.ts";
import type { Validate } from "../folder-reader.ts";

/** What a set is, as far as this process has heard: what a reading of all of it is compared with. */
export class Present<T extends Document> {
  readonly #validate: Validate<T>;
  readonly #documents = new Map<string, T>();
  /** With their texts, as they are stored. */
  readonly #unreadable = new Map<string, UnreadableDocument>();

  constructor(validate: Validate<T>) {
    this.#validate = validate;
  }

  get size(): number {
    return this.#documents.size + this.#unreadable.size;
  }

  fill({ documents, unreadable }: Snapshot<T>): void {
    for (const document of documents) this.#documents.set(document.id, document);
    for (const one of unreadable) this.#unreadable.set(one.id, one);
  }

  snapshot(revision: number): Snapshot<T> {
    const documents = [...this.#documents.values()].sort(byId);
    return { revision, documents, unreadable: [...this.#unreadable.values()].sort(byId) };
  }

  /** Takes in what this process put and deleted. */
  takeOwn(puts: readonly T[], deletes: readonly string[]): void {
    for (const id of deletes) this.#forget(id);
    for (const put of puts) {
      this.#unreadable.delete(put.id);
      this.#documents.set(put.id, put);
    }
  }

  /** Takes in what others put and deleted. What cannot be read here is told apart. */
  take(
    puts: readonly Document[],
    deletes: readonly string[],
  ): Pick<OthersCommit<T>, "puts" | "deletes" | "unreadable"> {
    const readable: T[] = [];
    const unreadable: UnreadableDocument[] = [];
    for (const id of deletes) this.#forget(id);
    for (const put of puts) {
      this.#forget(put.id);
      const read = this.#read(put);
      if ("document" in read) {
        this.#documents.set(put.id, read.document);
        readable.push(read.document);
      } else {
        this.#unreadable.set(put.id, read.unreadable);
        unreadable.push(read.unreadable);
      }
    }
    return { puts: readable, deletes, unreadable };
  }

  /** What of a whole set is not as it is here. */
  differenceTo(whole: readonly Document[]): {
    readonly puts: readonly Document[];
    readonly deletes: readonly string[];
  } {
    const wanted = new Set(whole.map(({ id }) => id));
    const known = [...this.#documents.keys(), ...this.#unreadable.keys()];
    return {
      puts: whole.filter((document) => !this.#isKnown(document)),
      deletes: known.filter((id) => !wanted.has(id)),
    };
  }

  #isKnown(document: Document): boolean {
    const known = this.#documents.get(document.id);
    if (known === undefined) return this.#unreadable.get(document.id)?.text === JSON.stringify(document);
    const read = this.#read(document);
    return "document" in read && JSON.stringify(read.document) === JSON.stringify(known);
  }

  #forget(id: string): void {
    this.#documents.delete(id);
    this.#unreadable.delete(id);
  }

  #read(value: Document): { readonly document: T } | { readonly unreadable: UnreadableDocument } {
    try {
      return { document: this.#validate(value) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const { id } = value;
      const text = JSON.stringify(value);
      return { unreadable: { kind: "document", id, path: id, reason, text } };
    }
  }
}

function byId(one: { readonly id: string }, other: { readonly id: string }): number {
  return one.id < other.id ? -1 : 1;
}
