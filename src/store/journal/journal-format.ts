import { crc32 } from "node:zlib";
import { isDocument, isDocumentId } from "../document-id.ts";
import type { Document } from "../document-store.ts";

/** The first line of every journal file: its commits start at `base` + 1, and those of older files end at `base`. */
export interface BaseRecord {
  readonly kind: "base";
  readonly base: number;
}

/** One committed batch. Of the documents only the ids are checked. */
export interface CommitRecord {
  readonly kind: "commit";
  readonly revision: number;
  readonly puts: readonly Document[];
  readonly deletes: readonly string[];
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

// A line is `{"sum":"<CRC-32 of the record's bytes in hex>","record":<record>}`: JSON Lines, readable with jq.
const HEAD = '{"sum":"';
const MIDDLE = '","record":';
const BODY_START = HEAD.length + 8 + MIDDLE.length;
const NEWLINE = 0x0a;
const FORMAT = 1;

/** The line that starts a journal file. */
export function encodeBase(base: number): Buffer {
  return frame(JSON.stringify({ format: FORMAT, base }));
}

/** The line of one committed batch. `puts` are the documents as JSON texts. */
export function encodeCommit(revision: number, puts: readonly string[], deletes: readonly string[]): Buffer {
  return frame(`{"revision":${revision},"puts":[${puts.join(",")}],"deletes":${JSON.stringify(deletes)}}`);
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

function frame(json: string): Buffer {
  const body = Buffer.from(json);
  return Buffer.concat([Buffer.from(`${HEAD}${checksum(body)}${MIDDLE}`), body, Buffer.from("}\n")]);
}

function checksum(body: Buffer): string {
  return crc32(body).toString(16).padStart(8, "0");
}

function readRecord(line: Buffer): Exclude<JournalEntry, Damage> | undefined {
  const body = line.subarray(BODY_START, -1);
  const expected = `${HEAD}${checksum(body)}${MIDDLE}`;
  if (line.at(-1) !== 0x7d || line.toString("latin1", 0, BODY_START) !== expected) return undefined;
  try {
    return toRecord(JSON.parse(body.toString()));
  } catch {
    return undefined;
  }
}

function toRecord(value: unknown): Exclude<JournalEntry, Damage> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("format" in value && value.format !== FORMAT) return { kind: "foreign", format: value.format };
  if ("base" in value && typeof value.base === "number") return { kind: "base", base: value.base };
  const { revision, puts, deletes } = value as { readonly [key in keyof CommitRecord]?: unknown };
  if (typeof revision !== "number" || !Array.isArray(puts) || !Array.isArray(deletes)) return undefined;
  // Ids become file names, so a wrong one counts as damage.
  if (!puts.every(isDocument) || !deletes.every(isDocumentId)) return undefined;
  return { kind: "commit", revision, puts, deletes };
}
