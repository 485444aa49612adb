import { GatewrightError } from "../errors.ts";
import { SerialQueue } from "../util/serial-queue.ts";
import { mapInSlices, Slices } from "../util/slices.ts";
import { type Track, untracked } from "../util/track.ts";
import { announce } from "./announce.ts";
import { BundleUpdater } from "./bundle/bundle-updater.ts";
import type { DocumentCheck } from "./bundle/document-check.ts";
import type { PrefetchedFolder } from "./bundle/prefetched-folder.ts";
import { Checkpointer } from "./checkpointer.ts";
import { DocumentFiles, documentText } from "./document-files.ts";
import { checkBatchIds, isDocument } from "./document-id.ts";
import type { Batch, Change, Document, DocumentStore, Snapshot } from "./document-store.ts";
import { ensurePrivateFolder, storeUnavailable } from "./durable.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import type { Validate } from "./folder-reader.ts";
import { History } from "./history/history.ts";
import type { BatchRecord, RevisionLog } from "./history/revision.ts";
import { Journal } from "./journal/journal.ts";
import { encodeCommit, listed } from "./journal/journal-format.ts";
import { type Recovery, recoverFolder } from "./recovery.ts";
import type { StepHook, StoreWork } from "./store-step.ts";

/** How a store of files is opened. */
export interface FileStoreOptions<T extends Document> {
  /** Made with mode 0700 when it is missing. One process at a time may hold it. */
  readonly folder: string;
  /** Checks what is read from disk. Default: an object with a string `id`. */
  readonly validate?: Validate<T>;
  /**
   * Where `validate` is to be found by the process that drafts bundles, so that the next start need not check again what
   * was checked there. Default: each start checks all.
   */
  readonly documentCheck?: DocumentCheck;
  /** What `prefetchFolder` made of the folder. The store takes it over. */
  readonly prefetched?: PrefetchedFolder | undefined;
  /** A checkpoint starts this long after the last commit. Default: 1000. */
  readonly idleMs?: number;
  /** A checkpoint starts when the journal has grown by this much. Default: 8 MiB. */
  readonly checkpointBytes?: number;
  /** After a failure in the background, the next attempt comes this much later. Default: 5000. */
  readonly retryMs?: number;
  /** From this many documents on a bundle is kept, for fast starts. Default: 1000. */
  readonly bundleFrom?: number;
  /** A stale bundle is written again this much later. Default: 5000. */
  readonly bundleDelayMs?: number;
  /**
   * Told when document files cannot be written after their commit was acknowledged: nothing is lost, the journal
   * grows, and it is tried again. Default: a process warning.
   */
  readonly onBackgroundError?: (error: GatewrightError) => void;
  /** Of the history, all files together. Default: 64 MiB. */
  readonly historyBytes?: number;
  /** Revisions that are older may go. Default: 90 days. */
  readonly historyAgeMs?: number;
  /** Runs what is tracked. Default: nothing is noted. */
  readonly track?: Track<StoreWork>;
  /** For tests. */
  readonly onStep?: StepHook;
}

/** A DocumentStore on files. */
export interface FileStore<T extends Document> extends DocumentStore<T> {
  /** Resolves when every document file is written and durable and the journal is empty. Throws `store_unavailable`. */
  checkpoint(): Promise<void>;
  /**
   * Counts on from another revision, as the copy of a store does that has missed some: the next commit expects that one.
   * History of that revision and later ones, which was another one, is forgotten. Throws `store_unavailable`.
   */
  skipTo(revision: number): Promise<void>;
}

/** Prepares a store; nothing is touched before its `open()`. The protocol stands in docs/storage.md. */
export function openFileStore<T extends Document>(options: FileStoreOptions<T>): FileStore<T> {
  return new FolderStore(options);
}

/** What exists while a folder is open. */
interface OpenFolder<T extends Document> {
  readonly lock: FolderLock;
  readonly journal: Journal;
  readonly files: DocumentFiles;
  readonly history: History<T>;
  readonly checkpointer: Checkpointer;
  readonly bundle: BundleUpdater;
}

class FolderStore<T extends Document> implements FileStore<T> {
  readonly #options: FileStoreOptions<T>;
  readonly #step: StepHook;
  readonly #commits = new SerialQueue();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  #prefetched: PrefetchedFolder | undefined;
  #open: OpenFolder<T> | undefined;

  constructor(options: FileStoreOptions<T>) {
    this.#options = options;
    this.#prefetched = options.prefetched;
    this.#step = options.onStep ?? (() => undefined);
  }

  async open(): Promise<Snapshot<T>> {
    if (this.#open !== undefined) throw new GatewrightError("internal_error", "The store is open already.");
    const { folder, documentCheck, validate = withoutValidation<T> } = this.#options;
    await ensurePrivateFolder(folder);
    const prefetched = this.#takePrefetched();
    const lock = prefetched?.lock ?? lockFolder(folder);
    try {
      const recovery = await recoverFolder(
        folder,
        { validate, key: documentCheck?.key },
        prefetched?.scanner,
      );
      this.#open = { lock, ...this.#start(recovery) };
      return recovery.snapshot;
    } catch (error) {
      lock.release();
      throw storeUnavailable("The store's folder cannot be read", error);
    }
  }

  commit(batch: Batch<T>): Promise<number> {
    return this.#commits.run(() => this.#commit(batch));
  }

  get revisions(): RevisionLog<T> {
    return this.#opened().history;
  }

  watch(listener: (change: Change<T>) => void): () => void {
    // A wrapper, so that the same function may watch twice.
    const entry = (change: Change<T>) => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async checkpoint(): Promise<void> {
    const { checkpointer } = this.#opened();
    // Behind the commits that were called before.
    await this.#commits.run(async () => undefined);
    await checkpointer.checkpoint();
  }

  async skipTo(revision: number): Promise<void> {
    const { checkpointer, history, journal } = this.#opened();
    await this.checkpoint();
    await checkpointer.alone(() =>
      this.#commits.run(async () => {
        try {
          if (journal.revision === revision) return;
          await history.forgetFrom(revision);
          await journal.skipTo(revision);
        } catch (error) {
          throw storeUnavailable("The revision could not be written to disk", error);
        }
      }),
    );
  }

  async close(): Promise<void> {
    await this.#takePrefetched()?.close();
    const open = await this.#commits.run(async () => {
      const present = this.#open;
      this.#open = undefined;
      return present;
    });
    if (open === undefined) return;
    await open.bundle.close();
    await open.checkpointer.close();
    await open.journal.close();
    open.lock.release();
  }

  #takePrefetched(): PrefetchedFolder | undefined {
    const prefetched = this.#prefetched;
    this.#prefetched = undefined;
    return prefetched;
  }

  #start(recovery: Recovery<T>): Omit<OpenFolder<T>, "lock"> {
    const { folder, idleMs, checkpointBytes, retryMs, track = untracked } = this.#options;
    const { historyBytes = 64 * 1024 * 1024, historyAgeMs = 90 * 24 * 60 * 60 * 1000 } = this.#options;
    const shared = { folder, step: this.#step };
    const files = new DocumentFiles({ ...shared, unreadable: recovery.unreadableFiles });
    const journal = new Journal({
      ...shared,
      track,
      numbers: recovery.journalNumbers,
      damaged: recovery.damagedJournals,
      revision: recovery.snapshot.revision,
    });
    const bounds = { maxBytes: historyBytes, maxAgeMs: historyAgeMs };
    // What the journal has, it has for sure: the history's own lines of these may never have reached the disk.
    const [first] = recovery.commits;
    const durable = first === undefined ? recovery.snapshot.revision : first.revision - 1;
    const history = new History<T>({ ...shared, bounds, durable });
    history.replay(recovery.commits);
    const checkpointer = new Checkpointer(
      { journal, files, history, commits: this.#commits },
      {
        idleMs: idleMs ?? 1000,
        checkpointBytes: checkpointBytes ?? 8 * 1024 * 1024,
        retryMs: retryMs ?? 5000,
        track,
        onBackgroundError: (error) => this.#reportBackground(error),
      },
    );
    for (const [id, text] of recovery.staged) files.stage(id, text === undefined ? undefined : () => text);
    if (files.isStaged || history.isStaged) checkpointer.wake();
    return { journal, files, history, checkpointer, bundle: this.#updateBundle(recovery, files) };
  }

  #updateBundle({ snapshot, stale }: Recovery<T>, files: DocumentFiles): BundleUpdater {
    const { folder, bundleFrom, bundleDelayMs, documentCheck } = this.#options;
    return new BundleUpdater(
      {
        folder,
        documentCheck,
        fewest: bundleFrom ?? 1000,
        delayMs: bundleDelayMs ?? 5000,
        intervalMs: 12 * (bundleDelayMs ?? 5000),
        pending: () => files.unwritten,
        onError: (error) => this.#reportBackground(storeUnavailable("No bundle was written", error)),
      },
      { documents: snapshot.documents.length, stale },
    );
  }

  #reportBackground(error: GatewrightError): void {
    if (this.#options.onBackgroundError === undefined) process.emitWarning(error);
    else this.#options.onBackgroundError(error);
  }

  async #commit(batch: Batch<T>): Promise<number> {
    const { journal, files, history, checkpointer, bundle } = this.#opened();
    const { expected, puts, deletes, record } = batch;
    if (expected !== journal.revision) {
      throw new GatewrightError(
        "store_conflict",
        `The store is at revision ${journal.revision}, not ${expected}.`,
      );
    }
    await checkBatchIds(batch);
    const revision = expected + 1;
    try {
      const texts = await mapInSlices(puts, (document) => JSON.stringify(document));
      const told = record === undefined ? undefined : await recordPieces(record);
      await journal.append(await encodeCommit(revision, texts, deletes, told));
    } catch (error) {
      throw storeUnavailable("The change could not be written to disk; nothing was changed", error);
    }
    // No checkpoint comes between: it takes its turn in the same queue.
    await mapInSlices(puts, (document) => files.stage(document.id, () => documentText(document)));
    await mapInSlices(deletes, (id) => files.stage(id, undefined));
    if (record !== undefined) history.stage(revision, record);
    // Listeners hear of all at one moment.
    await new Slices().after(puts.length + deletes.length);
    announce(this.#listeners, { revision, puts, deletes });
    checkpointer.wake();
    bundle.note(puts.length + deletes.length);
    await this.#step("acknowledge");
    return revision;
  }

  #opened(): OpenFolder<T> {
    if (this.#open === undefined) throw new GatewrightError("store_unavailable", "The store is not open.");
    return this.#open;
  }
}

/** The record of a journal's line: the documents after the change stand among its puts. */
async function recordPieces({ at, authors, changes }: BatchRecord<Document>): Promise<Iterable<string>> {
  const told = await mapInSlices(changes, ({ author, before, after }) =>
    JSON.stringify([author, (after ?? before)?.id, before ?? null]),
  );
  const head = `{"at":${JSON.stringify(at)},"authors":${JSON.stringify(authors)},"changes":[`;
  return [head, ...listed(told), "]}"];
}

function withoutValidation<T extends Document>(value: unknown): T {
  if (!isDocument(value)) throw new Error("It is not an object with an id.");
  // Without a validation, whoever opens the store vouches for what the folder holds.
  return value as T;
}
