import { isGatewrightError } from "../errors.ts";
import { SerialQueue } from "../util/serial-queue.ts";
import type { Change, Document, DocumentStore, UnreadableDocument } from "./document-store.ts";

/** What somebody wants to change, and the answer to them once it is durable. */
export interface DocumentDecision<T extends Document, Answer> {
  readonly puts: readonly T[];
  readonly deletes: readonly string[];
  readonly answer: Answer;
  /** Takes back what was done elsewhere for it, when it could not be stored. Default: nothing was done. */
  readonly undo?: () => Promise<void>;
}

/** A document before and after a change; one that is new has no `before`, one that is gone no `after`. */
export interface DocumentStep<T extends Document> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** What one commit changed. */
export interface KeptChange<T extends Document> {
  readonly steps: readonly DocumentStep<T>[];
  /** Whether another process made it. */
  readonly isOthers: boolean;
  /** What that one put, and cannot be read here: it counts as gone. */
  readonly unreadable: readonly UnreadableDocument[];
}

/** So often a change is decided again because another process was faster; each time one of them was stored. */
export const MOST_CONFLICTS = 200;

/**
 * The documents of a store, all in memory, and the one way to change them: decide on what is there, make it durable, answer.
 * Where other processes change them as well, a decision that they overtook is made again on what they left, and so is a
 * refusal that rests on what they may have changed.
 */
export class KeptDocuments<T extends Document> {
  readonly #store: DocumentStore<T>;
  readonly #documents = new Map<string, T>();
  readonly #listeners = new Set<(change: KeptChange<T>) => void>();
  readonly #turns = new SerialQueue();
  #revision = 0;

  constructor(store: DocumentStore<T>) {
    this.#store = store;
  }

  /** Reads everything, and returns what cannot be read. Throws `store_unavailable`. */
  async open(): Promise<readonly UnreadableDocument[]> {
    const { documents, revision, unreadable } = await this.#store.open();
    this.#revision = revision;
    for (const document of documents) this.#documents.set(document.id, document);
    this.#store.watch((change) => this.#take(change));
    return unreadable;
  }

  /** By id. */
  get all(): ReadonlyMap<string, T> {
    return this.#documents;
  }

  /** Of the store, as far as it is known here. */
  get revision(): number {
    return this.#revision;
  }

  /** Calls the listener after each commit, others' included, in their order. */
  watch(listener: (change: KeptChange<T>) => void): void {
    this.#listeners.add(listener);
  }

  /** Makes sure that nothing is missing of what others had changed until now. Throws `store_unavailable`. */
  async confirm(): Promise<void> {
    await this.#store.others?.confirm();
  }

  /**
   * Makes a change, one after another, and resolves with its answer when it is durable. `decide` may be called several
   * times. Throws what it throws, `store_unavailable`, `store_outcome_unknown`.
   */
  change<Answer>(
    decide: () => DocumentDecision<T, Answer> | Promise<DocumentDecision<T, Answer>>,
  ): Promise<Answer> {
    return this.#turns.run(() => this.#change(decide));
  }

  /** Closes the store, after the changes under way. */
  close(): Promise<void> {
    return this.#turns.run(() => this.#store.close());
  }

  async #change<Answer>(
    decide: () => DocumentDecision<T, Answer> | Promise<DocumentDecision<T, Answer>>,
  ): Promise<Answer> {
    const { others } = this.#store;
    const refusal = others?.refusal();
    if (refusal !== undefined) throw refusal;
    // Whether it is certain that what others had changed by the time of the call is known here.
    let isPresent = others === undefined;
    for (let conflicts = 0; ; ) {
      const expected = this.#revision;
      let decision: DocumentDecision<T, Answer>;
      try {
        decision = await decide();
      } catch (error) {
        if (isPresent) throw error;
        isPresent = true;
        await others?.confirm();
        if (this.#revision === expected) throw error;
        continue;
      }
      const { answer, deletes, puts, undo } = decision;
      if (puts.length + deletes.length === 0) {
        if (isPresent) return answer;
        isPresent = true;
        await others?.confirm();
        if (this.#revision === expected) return answer;
        continue;
      }
      try {
        await this.#store.commit({ expected, puts, deletes });
        return answer;
      } catch (error) {
        await undo?.();
        const isOvertaken = others !== undefined && isGatewrightError(error, "store_conflict");
        if (!isOvertaken || conflicts === MOST_CONFLICTS) throw error;
        conflicts += 1;
      }
    }
  }

  /** Takes in a commit, this process's own or another's. */
  #take({ deletes, puts, revision }: Change<T>): void {
    const theirs = this.#store.others?.take().at(-1);
    this.#revision = revision;
    const steps: DocumentStep<T>[] = [];
    for (const id of deletes) {
      const before = this.#documents.get(id);
      if (this.#documents.delete(id)) steps.push({ before, after: undefined });
    }
    for (const after of puts) {
      steps.push({ before: this.#documents.get(after.id), after });
      this.#documents.set(after.id, after);
    }
    const change = { steps, isOthers: theirs !== undefined, unreadable: theirs?.unreadable ?? [] };
    for (const listener of this.#listeners) listener(change);
  }
}
