import { chmodSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Document } from "../document-store.ts";
import { PRIVATE_FILE_MODE, syncFolder } from "../durable.ts";
import type { CommitRecord } from "../journal/journal-format.ts";
import type { StepHook } from "../store-step.ts";
import {
  type BatchRecord,
  type DocumentChange,
  type Revision,
  type RevisionLog,
  revisionOf,
} from "./revision.ts";
import { encodeRevision, readSegment, segmentName, segmentStart } from "./segment.ts";

/** How much is kept. */
export interface HistoryBounds {
  /** Of all files together, in bytes; the newest file stays whatever its size. */
  readonly maxBytes: number;
  /** Of a file's newest revision, in ms. */
  readonly maxAgeMs: number;
}

interface Segment {
  readonly start: number;
  bytes: number;
  /** When its newest revision was written, in ms since the epoch. */
  newestMs: number;
}

interface Pending<T extends Document> {
  readonly revision: number;
  readonly record: BatchRecord<T>;
}

/** Files that the whole is kept in: the oldest goes when there is too much. */
const SEGMENTS = 16;

/**
 * What was committed, newest last, in `.history-<first revision>` files beside the documents. It follows the journal, which
 * has what is not durable here: `stage` may be called any time, `write` and `makeDurable` must not run at the same time.
 * Methods throw the operating system's errors as they are.
 */
export class History<T extends Document> implements RevisionLog<T> {
  readonly #folder: string;
  readonly #step: StepHook;
  readonly #bounds: HistoryBounds;
  readonly #segments: Segment[];
  #pending: Pending<T>[] = [];
  #last: number;
  #unsynced = new Set<Segment>();
  #readers: Promise<void> = Promise.resolve();

  /** Finds what is there: whole revisions up to `durable`. What follows them is cut off at the first write. */
  constructor(options: {
    readonly folder: string;
    readonly step: StepHook;
    readonly bounds: HistoryBounds;
    readonly durable: number;
  }) {
    this.#folder = options.folder;
    this.#step = options.step;
    this.#bounds = options.bounds;
    const { segments, last } = findSegments<T>(options.folder, options.durable);
    this.#segments = segments;
    this.#last = last;
  }

  /** Whether `makeDurable` has something to do. */
  get isStaged(): boolean {
    return this.#pending.length > 0 || this.#unsynced.size > 0;
  }

  /** Plans a revision. One that is there already, since a journal is replayed, is not added again. */
  stage(revision: number, record: BatchRecord<T>): void {
    if (revision <= this.#last) return;
    this.#last = revision;
    this.#pending.push({ revision, record });
  }

  /** Forgets everything where it has revisions above this one. Nothing must be written at the same time. */
  async forgetFrom(revision: number): Promise<void> {
    if (this.#last <= revision) return;
    this.#pending = [];
    this.#unsynced.clear();
    for (const { start } of this.#segments.splice(0))
      await rm(join(this.#folder, segmentName(start)), { force: true });
    await syncFolder(this.#folder);
    this.#last = 0;
  }

  /** Plans what a journal has. */
  replay(commits: readonly CommitRecord[]): void {
    for (const { revision, puts, record } of commits) {
      if (record === undefined || revision <= this.#last) continue;
      // Whoever opened the store vouches for the documents that it wrote.
      const after = new Map(puts.map((document) => [document.id, document as T]));
      const changes = record.changes.map(([author, id, before]): DocumentChange<T> => {
        const put = after.get(id);
        return {
          author,
          ...(before === null ? {} : { before: before as T }),
          ...(put === undefined ? {} : { after: put }),
        };
      });
      this.stage(revision, { ...record, changes });
    }
  }

  /** Writes what is staged until now, without fsync. */
  async write(): Promise<void> {
    const room = this.#bounds.maxBytes / SEGMENTS;
    while (this.#pending.length > 0) {
      const segment = this.#segmentToWrite(this.#pending[0]?.revision ?? 0);
      const lines: Buffer[] = [];
      let bytes = segment.bytes;
      for (const { revision, record } of [...this.#pending]) {
        const encoded = await encodeRevision(revision, record);
        bytes += encoded.length;
        lines.push(encoded);
        if (bytes >= room) break;
      }
      const [only] = lines;
      await this.#append(segment, lines.length === 1 && only !== undefined ? only : Buffer.concat(lines));
      this.#pending = this.#pending.slice(lines.length);
    }
  }

  /** Writes what is staged until now and makes it durable; then what is too much goes. */
  async makeDurable(): Promise<void> {
    await this.write();
    for (const segment of [...this.#unsynced]) {
      await this.#step("history-sync");
      await using file = await this.#open(segment, "r");
      await file.sync();
      this.#unsynced.delete(segment);
    }
    await this.#prune();
  }

  /** One reader at a time has a file in memory; the others wait for its end. */
  async *newestFirst(before = Number.POSITIVE_INFINITY): AsyncGenerator<Revision<T>> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const earlier = this.#readers;
    this.#readers = promise;
    await earlier;
    try {
      yield* this.#newestFirst(before);
    } finally {
      resolve();
    }
  }

  async *#newestFirst(before: number): AsyncGenerator<Revision<T>> {
    let bound = before;
    const waiting = this.#pending.map(({ revision, record }) => revisionOf(revision, record));
    const starts = this.#segments.map(({ start }) => start);
    for (const source of [waiting, ...starts.reverse()]) {
      if (typeof source === "number" && source >= bound) continue;
      const found = typeof source === "number" ? readSegment<T>(await this.#read(source)).revisions : source;
      for (const revision of found.toReversed()) {
        // What was waiting may have been written meanwhile.
        if (revision.revision >= bound) continue;
        bound = revision.revision;
        yield revision;
      }
    }
  }

  /** The whole revisions of a file; one that has gone meanwhile has none. */
  async #read(start: number): Promise<Buffer> {
    const bytes = await readFile(join(this.#folder, segmentName(start))).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return Buffer.alloc(0);
        throw error;
      },
    );
    const known = this.#segments.find((one) => one.start === start);
    return bytes.subarray(0, known?.bytes ?? 0);
  }

  #segmentToWrite(revision: number): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.bytes < this.#bounds.maxBytes / SEGMENTS) return last;
    const segment = { start: revision, bytes: 0, newestMs: Date.now() };
    this.#segments.push(segment);
    return segment;
  }

  async #append(segment: Segment, lines: Buffer): Promise<void> {
    await this.#step("history-write");
    await using file = await this.#open(segment, "a");
    // What a crash, or a write that failed, left behind the last whole revision.
    await file.truncate(segment.bytes);
    await file.writeFile(lines);
    segment.bytes += lines.length;
    segment.newestMs = Date.now();
    this.#unsynced.add(segment);
    if (segment.bytes === lines.length) await syncFolder(this.#folder);
  }

  async #prune(): Promise<void> {
    const { maxAgeMs, maxBytes } = this.#bounds;
    const total = () => this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined) return;
      if (total() <= maxBytes && Date.now() - oldest.newestMs <= maxAgeMs) return;
      await rm(join(this.#folder, segmentName(oldest.start)), { force: true });
      this.#segments.shift();
    }
  }

  #open(segment: Segment, flags: string): Promise<FileHandle> {
    return open(join(this.#folder, segmentName(segment.start)), flags, PRIVATE_FILE_MODE);
  }
}

/** What a folder has: files, and the last revision that is whole. What follows `durable` is left out. */
function findSegments<T extends Document>(
  folder: string,
  durable: number,
): { readonly segments: Segment[]; readonly last: number } {
  const starts = readdirSync(folder)
    .flatMap((name) => segmentStart(name) ?? [])
    .sort((one, other) => one - other);
  const segments: Segment[] = [];
  for (const start of starts) {
    const path = join(folder, segmentName(start));
    if (start > durable) rmSync(path);
    else {
      const { mode, mtimeMs, size } = statSync(path);
      if ((mode & 0o077) !== 0) chmodSync(path, PRIVATE_FILE_MODE);
      segments.push({ start, bytes: size, newestMs: mtimeMs });
    }
  }
  const newest = segments.at(-1);
  if (newest === undefined) return { segments, last: 0 };
  const { revisions, end } = readSegment<T>(readFileSync(join(folder, segmentName(newest.start))), durable);
  newest.bytes = end;
  return { segments, last: revisions.at(-1)?.revision ?? newest.start - 1 };
}
