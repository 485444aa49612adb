import type { GatewrightError } from "../errors.ts";
import type { BatchRecord, RevisionLog } from "./history/revision.ts";

/** A stored document: anything with an id that is safe as a file name. */
export interface Document {
  readonly id: string;
}

/** A document file, or a part of the journal, that could not be read. The file stays, unchanged. */
export interface UnreadableDocument {
  readonly kind: "document" | "journal";
  /** Of the document; of a journal its file's name. */
  readonly id: string;
  readonly path: string;
  readonly reason: string;
  /** What could still be found in the text (hostnames, names), so that its claims stay taken; "" when nothing. */
  readonly text: string;
}

/** All that is stored, as of one revision. */
export interface Snapshot<T extends Document> {
  readonly revision: number;
  readonly documents: readonly T[];
  readonly unreadable: readonly UnreadableDocument[];
}

/** Changes that become durable together, or not at all. */
export interface Batch<T extends Document> {
  /** The revision the writer saw last. Another one in the store throws `store_conflict` and changes nothing. */
  readonly expected: number;
  readonly puts: readonly T[];
  readonly deletes: readonly string[];
  /** What the history keeps of it. Default: nothing. */
  readonly record?: BatchRecord<T>;
}

/** What a watcher is told after each commit. */
export interface Change<T extends Document> {
  readonly revision: number;
  readonly puts: readonly T[];
  readonly deletes: readonly string[];
}

/** A commit that another process made in the same store. */
export interface OthersCommit<T extends Document> extends Change<T> {
  /** What was put and cannot be read here; it stays stored as it is. */
  readonly unreadable: readonly UnreadableDocument[];
  readonly record?: BatchRecord<T>;
}

/** What other processes do in the same store. */
export interface Others<T extends Document> {
  /**
   * Their commits since the last call, in order. Whoever commits takes them in before: until then each commit of its own
   * throws `store_conflict`.
   */
  take(): readonly OthersCommit<T>[];
  /** Calls the listener when there is something to take, until the returned function is called. */
  onArrival(listener: () => void): () => void;
  /** Resolves when everything that was committed before the call can be taken. Throws `store_unavailable`. */
  confirm(): Promise<void>;
  /** Why nothing can be committed now (`store_unavailable`); undefined when it can. */
  refusal(): GatewrightError | undefined;
}

/**
 * A set of documents with revisions, compare-and-set and watch.
 * Files implement it, and etcd. The contract suite in test/store/document-store.contract.ts is its definition.
 */
export interface DocumentStore<T extends Document> {
  /** Reads everything. Called once, before any other method. */
  open(): Promise<Snapshot<T>>;
  /**
   * Makes a batch durable: when the promise resolves, it survives a crash of the process and of the machine;
   * when it rejects, nothing of it is stored. Returns the new revision (`expected` + 1).
   * Throws `store_conflict` (another revision), `store_unavailable` (the medium refuses). Where others commit too, also
   * `store_outcome_unknown`: the medium gave no answer, and the batch is stored whole or not at all; if it is, it comes as
   * one of others' commits.
   */
  commit(batch: Batch<T>): Promise<number>;
  /** What was committed with a record. A kept revision stays through crashes as its documents do. */
  readonly revisions: RevisionLog<T>;
  /** Present where other processes commit to the same store. */
  readonly others?: Others<T>;
  /** Calls the listener after each commit, others' included, in order, until the returned function is called. */
  watch(listener: (change: Change<T>) => void): () => void;
  /** Waits for commits under way and releases what is held. */
  close(): Promise<void>;
}
