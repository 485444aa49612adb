import { isDocument, isDocumentId } from "../document-id.ts";
import type { Document } from "../document-store.ts";
import type { BatchRecord } from "../history/revision.ts";
import { frame, frameInSlices, unframe } from "./frame.ts";

/** The first line of every journal file: its commits start at `base` + 1, and those of older files end at `base`. */
export interface BaseRecord {
  readonly kind: "base";
  readonly base: number;
  /** Whether revisions were left out before it on purpose. */
  readonly skips?: boolean;
}

/** One committed batch. Of the documents only the ids are checked. */
export interface CommitRecord {
  readonly kind: "commit";
  readonly revision: number;
  readonly puts: readonly Document[];
  readonly deletes: readonly string[];
  /** What the history has of it; without what `puts` say. Of a commit that keeps no history there is none. */
  readonly record?: JournalRecord;
}

/** A BatchRecord whose changes name the documents that the commit puts by their ids. */
export interface JournalRecord {
  readonly at: string;
  readonly authors: BatchRecord<Document>["authors"];
  readonly changes: readonly (readonly [author: number, id: string, before: Document | null])[];
}

/** A line that was complete and acknowledged once, and is not readable now; `text` is the line as found. */
export interface Damage {
  readonly kind: "damage";
  readonly text: string;
}

/** The first line of a file that another version of Gatewright wrote. Nothing that follows it can be read. */
export interface ForeignFormat {
  readonly kind: "foreign";
  readonly format: unknown;
}

export type JournalEntry = BaseRecord | CommitRecord | Damage | ForeignFormat;

const NEWLINE = 0x0a;
const FORMAT = 1;

/** The line that starts a journal file. `skips`: revisions before it were left out on purpose. */
export function encodeBase(base: number, skips = false): Buffer {
  return frame(JSON.stringify({ format: FORMAT, base, ...(skips ? { skips } : {}) }));
}

/** The line of one committed batch. `puts` are the documents as JSON texts, and `record` is one in pieces. */
export function encodeCommit(
  revision: number,
  puts: readonly string[],
  deletes: readonly string[],
  record?: Iterable<string>,
): Promise<Buffer> {
  return frameInSlices(commitPieces(revision, puts, deletes, record));
}

function* commitPieces(
  revision: number,
  puts: readonly string[],
  deletes: readonly string[],
  record: Iterable<string> | undefined,
): Generator<string> {
  yield `{"revision":${revision},"puts":[`;
  yield* listed(puts);
  yield `],"deletes":${JSON.stringify(deletes)}`;
  if (record !== undefined) {
    yield ',"record":';
    yield* record;
  }
  yield "}";
}

/** Items with commas between them. */
export function* listed(items: readonly string[]): Generator<string> {
  for (const [index, item] of items.entries()) {
    if (index > 0) yield ",";
    yield item;
  }
}

/**
 * Reads the bytes of a journal file. Pure.
 *
 * A line is one append, acknowledged after fdatasync, and the next is written only after that. So an unreadable *last*
 * line without its newline, or with NULs (blocks that never reached the disk), was not acknowledged: it is left out.
 * Every other unreadable line was acknowledged, and is returned as damage.
 */
export function parseJournal(bytes: Buffer): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    // Whatever the line's last byte is stands in the newline's place: when only that byte was spoilt, the record holds.
    const line = bytes.subarray(start, end - 1);
    const record = readRecord(line);
    const torn = end === bytes.length && (newline === -1 || line.includes(0));
    if (record !== undefined) entries.push(record);
    else if (!torn) entries.push({ kind: "damage", text: line.toString() });
    start = end;
  }
  return entries;
}

function readRecord(line: Buffer): Exclude<JournalEntry, Damage> | undefined {
  const body = unframe(line);
  try {
    return body === undefined ? undefined : toRecord(JSON.parse(body.toString()));
  } catch {
    return undefined;
  }
}

function toRecord(value: unknown): Exclude<JournalEntry, Damage> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("format" in value && value.format !== FORMAT) return { kind: "foreign", format: value.format };
  if ("base" in value && typeof value.base === "number") {
    const skips = "skips" in value && value.skips === true;
    return { kind: "base", base: value.base, ...(skips ? { skips } : {}) };
  }
  const { revision, puts, deletes, record } = value as { readonly [key in keyof CommitRecord]?: unknown };
  if (typeof revision !== "number" || !Array.isArray(puts) || !Array.isArray(deletes)) return undefined;
  // Ids become file names, so a wrong one counts as damage.
  if (!puts.every(isDocument) || !deletes.every(isDocumentId)) return undefined;
  const commit = { kind: "commit", revision, puts, deletes } as const;
  // The line's checksum vouches for what we wrote.
  return record === undefined ? commit : { ...commit, record: record as JournalRecord };
}
