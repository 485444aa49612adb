import type { Attribution } from "../../model/attribution.ts";

/** What became of one document in a batch: created without `before`, deleted without `after`. */
export interface DocumentChange<T> {
  /** Whose change it was: a place in `authors`. */
  readonly author: number;
  readonly before?: T;
  readonly after?: T;
}

/** What is remembered of a batch, beside what it leaves. */
export interface BatchRecord<T> {
  /** RFC 3339. */
  readonly at: string;
  /** Whose changes went together. */
  readonly authors: readonly Attribution[];
  /** Each document once. */
  readonly changes: readonly DocumentChange<T>[];
}

/** A batch that was committed, without its documents. */
export interface RevisionHead {
  readonly revision: number;
  readonly at: string;
  readonly authors: readonly Attribution[];
  readonly created: number;
  readonly changed: number;
  readonly deleted: number;
  /** How many parts its changes stand in. */
  readonly parts: number;
}

/** A batch that was committed. */
export interface Revision<T> extends RevisionHead {
  /** What it did, a part at a time. */
  changes(): Iterable<readonly DocumentChange<T>[]>;
}

/** What was committed, as far back as it is kept. */
export interface RevisionLog<T> {
  /** The newest first, from `before` down. What is committed meanwhile is left out. */
  newestFirst(before?: number): AsyncIterable<Revision<T>>;
}

/** Changes that stand in one part: as much as is decoded without a pause. */
const PART_SIZE = 100;

/** A record's head and its changes in parts. */
export function partsOf<T>(
  revision: number,
  { at, authors, changes }: BatchRecord<T>,
): { readonly head: RevisionHead; readonly parts: readonly (readonly DocumentChange<T>[])[] } {
  const parts: (readonly DocumentChange<T>[])[] = [];
  for (let from = 0; from < changes.length; from += PART_SIZE)
    parts.push(changes.slice(from, from + PART_SIZE));
  const created = changes.filter(({ before }) => before === undefined).length;
  const deleted = changes.filter(({ after }) => after === undefined).length;
  const changed = changes.length - created - deleted;
  return { head: { revision, at, authors, created, changed, deleted, parts: parts.length }, parts };
}

/** The revision that a record makes. */
export function revisionOf<T>(revision: number, record: BatchRecord<T>): Revision<T> {
  const { head, parts } = partsOf(revision, record);
  return { ...head, changes: () => parts };
}
