import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { GatewrightError } from "../../errors.ts";
import type { Document, Snapshot } from "../document-store.ts";
import { removeDurably, storeUnavailable, writeDurably } from "../durable.ts";
import type { FileStore } from "../file-store.ts";
import type { BatchRecord, RevisionLog } from "../history/revision.ts";

/** A commit of the store that is copied: its number, and the id that tells it from another one of that number. */
export interface Place {
  readonly revision: number;
  readonly id: string;
}

/** What is to be copied. */
export interface CopiedChange<T extends Document> {
  readonly place: Place;
  readonly puts: readonly T[];
  readonly deletes: readonly string[];
  readonly record?: BatchRecord<T>;
  /** Whether revisions were left out before it. */
  readonly skips?: boolean;
}

export interface LocalCopyOptions<T extends Document> {
  readonly store: FileStore<T>;
  /** Where it is kept which commit was copied last. */
  readonly placePath: string;
  /** Hears that the copy cannot be written, each time. */
  readonly onError: (error: GatewrightError) => void;
  /** Until it is tried again. Default: 5000. */
  readonly retryMs?: number;
  /** The place is written this much later, where none is left out. Default: 1000. */
  readonly placeDelayMs?: number;
}

/** More changes that wait for a disk than these become one. */
const MOST_WAITING = 1_000;

/**
 * The last state of a store that is elsewhere, in files, with its revisions and their history: what a gateway starts from
 * while the store is away. It follows in order; what the disk refuses is tried again until it takes it.
 */
export class LocalCopy<T extends Document> {
  readonly #options: LocalCopyOptions<T>;
  readonly #closing = new AbortController();
  #waiting: { readonly change: CopiedChange<T>; readonly done: () => void }[] = [];
  #pump: Promise<void> | undefined;
  #place: Place | undefined;
  #revision = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LocalCopyOptions<T>) {
    this.#options = options;
  }

  /** What it has; `place` is undefined where it is not known of which commit it is. Throws `store_unavailable`. */
  async open(): Promise<{ readonly snapshot: Snapshot<T>; readonly place: Place | undefined }> {
    const snapshot = await this.#options.store.open();
    this.#revision = snapshot.revision;
    const place = await this.#readPlace();
    return {
      snapshot,
      place: place !== undefined && place.revision <= snapshot.revision ? place : undefined,
    };
  }

  /** Notes that there is nothing to copy yet, which is another thing than not to know. */
  async noteEmpty(): Promise<void> {
    this.#place ??= { revision: 0, id: "" };
    await this.#writePlace().catch((error) => this.#report(error));
  }

  get revisions(): RevisionLog<T> {
    return this.#options.store.revisions;
  }

  /** Resolves when the change is durable, or the disk has refused it and it is tried again later. */
  write(change: CopiedChange<T>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ change, done: resolve });
    this.#pump ??= this.#run().finally(() => {
      this.#pump = undefined;
    });
    return promise;
  }

  /** Writes what waits, where the disk takes it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#pump;
    clearTimeout(this.#timer);
    await this.#writePlace().catch((error) => this.#report(error));
    await this.#options.store.close();
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        await this.#write(next.change);
        this.#waiting.shift();
        next.done();
      } catch (error) {
        this.#report(error);
        for (const { done } of this.#waiting) done();
        if (this.#closing.signal.aborted) return;
        await sleep(this.#options.retryMs ?? 5000, undefined, { signal: this.#closing.signal }).catch(
          () => undefined,
        );
        if (this.#waiting.length > MOST_WAITING)
          this.#waiting = [{ change: merged(this.#waiting), done: () => {} }];
      }
    }
  }

  async #write({ deletes, place, puts, record, skips = false }: CopiedChange<T>): Promise<void> {
    const { placePath, store } = this.#options;
    const isKnown = place.revision === this.#revision && (!skips || puts.length + deletes.length === 0);
    const mustSkip = !isKnown && (skips || place.revision !== this.#revision + 1);
    // The place that is written lags behind the files.
    if (!skips && place.revision <= this.#revision) return;
    if (mustSkip) {
      // Until the new one is written, nobody knows of which commit this is.
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#place = undefined;
      await removeDurably(placePath);
      await store.skipTo(place.revision - 1);
    }
    if (!isKnown)
      this.#revision = await store.commit({
        expected: place.revision - 1,
        puts,
        deletes,
        ...(record === undefined ? {} : { record }),
      });
    this.#place = place;
    if (skips) await this.#writePlace();
    else this.#writePlaceSoon();
  }

  #writePlaceSoon(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#writePlace().catch((error) => this.#report(error));
    }, this.#options.placeDelayMs ?? 1000).unref();
  }

  async #writePlace(): Promise<void> {
    const place = this.#place;
    if (place !== undefined) await writeDurably(this.#options.placePath, `${JSON.stringify(place)}\n`);
  }

  async #readPlace(): Promise<Place | undefined> {
    try {
      const { id, revision } = JSON.parse(await readFile(this.#options.placePath, "utf8")) as Partial<Place>;
      return typeof id === "string" && typeof revision === "number" ? { id, revision } : undefined;
    } catch {
      // Without it the whole store is read again, which only costs time.
      return undefined;
    }
  }

  #report(error: unknown): void {
    this.#options.onError(storeUnavailable("The local copy could not be written; it is tried again", error));
  }
}

/** Several changes as one that leaves what they leave, without their history. */
function merged<T extends Document>(
  waiting: readonly { readonly change: CopiedChange<T> }[],
): CopiedChange<T> {
  const all = new Map<string, T | undefined>();
  for (const { change } of waiting) {
    for (const id of change.deletes) all.set(id, undefined);
    for (const document of change.puts) all.set(document.id, document);
  }
  const place = waiting.at(-1)?.change.place ?? { revision: 0, id: "" };
  return {
    place,
    puts: [...all.values()].filter((document) => document !== undefined),
    deletes: [...all].flatMap(([id, document]) => (document === undefined ? id : [])),
    skips: true,
  };
}
