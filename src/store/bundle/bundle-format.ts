import type { Stats } from "node:fs";
import { crc32 } from "node:zlib";
import type { Document } from "../document-store.ts";

/** Name of the bundle in a store's folder. */
export const BUNDLE_NAME = ".bundle";

/**
 * What tells whether a file is still the one that was read. Its ctime changes with every write, rename or restored
 * copy and cannot be set, unlike its mtime (inode(7)).
 */
export interface FileStamp {
  readonly inode: number;
  readonly size: number;
  readonly ctimeMs: number;
}

/** The stamps of a block's documents: one entry in each column for each. */
export interface BlockStamps {
  readonly ids: readonly string[];
  readonly inodes: readonly number[];
  readonly sizes: readonly number[];
  readonly ctimesMs: readonly number[];
}

/** Documents of files that had the stamps. */
export interface Block {
  /** The name of the rules that found the documents good, in hex; "" when nobody looked. */
  readonly key: string;
  /** Whether the documents are what these rules made of the files; else they are as the files hold them. */
  readonly isMade: boolean;
  readonly stamps: BlockStamps;
  readonly documents: readonly Document[];
}

const FORMAT = 2;
const SUM_LENGTH = 8;
/** Two checksums with a space behind each. */
const BODY_START = 2 * (SUM_LENGTH + 1);
/** Behind the key where the documents are not as in their files. */
const MADE = "~";
// JSON has none that is not escaped.
const TAB = 0x09;

/** The stamp of a file. */
export function stampOf({ ino, size, ctimeMs }: Stats): FileStamp {
  return { inode: ino, size, ctimeMs };
}

/** Whether the file with this status is unchanged since the block's document at this place was read from it. */
export function isUnchanged(status: Stats, { inodes, sizes, ctimesMs }: BlockStamps, at: number): boolean {
  return status.ctimeMs === ctimesMs[at] && status.ino === inodes[at] && status.size === sizes[at];
}

/**
 * A line of the bundle: two CRC-32 in hex, the key, and stamps and documents as JSON behind a
 * tab each. The first checksum is that of key and stamps; the second goes on from it over the documents, so that
 * either can be read alone.
 */
export function encodeBlock({ key, isMade, stamps, documents }: Block): Buffer {
  const { ids, inodes, sizes, ctimesMs } = stamps;
  const head = Buffer.from(
    `${key}${isMade ? MADE : ""}\t${JSON.stringify([FORMAT, ids, inodes, sizes, ctimesMs])}`,
  );
  const body = Buffer.from(JSON.stringify(documents));
  const headSum = crc32(head);
  const sums = Buffer.from(`${hexOf(headSum)} ${hexOf(crc32(body, headSum))} `);
  return Buffer.concat([sums, head, Buffer.from("\t"), body, Buffer.from("\n")]);
}

/** The stamps of a line without its newline; undefined when they are damaged or of another format. */
export function decodeStamps(line: Buffer): BlockStamps | undefined {
  const head = headOf(line);
  if (head === undefined) return undefined;
  const value = parseJson(head.toString("utf8", head.indexOf(TAB) + 1));
  if (!Array.isArray(value)) return undefined;
  const [format, ids, inodes, sizes, ctimesMs]: unknown[] = value;
  // What our checksum stands before has our columns.
  if (format !== FORMAT || !Array.isArray(ids)) return undefined;
  return { ids, inodes, sizes, ctimesMs } as BlockStamps;
}

/** A line without its newline and stamps; undefined when it is damaged or of another format. */
export function decodeDocuments(line: Buffer): Omit<Block, "stamps"> | undefined {
  const head = headOf(line);
  if (head === undefined) return undefined;
  const body = line.subarray(BODY_START + head.length + 1);
  const sum = line.toString("latin1", SUM_LENGTH + 1, BODY_START);
  if (sum !== `${hexOf(crc32(body, crc32(head)))} `) return undefined;
  const documents = parseJson(body.toString());
  if (!Array.isArray(documents)) return undefined;
  const key = head.toString("latin1", 0, head.indexOf(TAB));
  return { key: key.replace(MADE, ""), isMade: key.endsWith(MADE), documents };
}

/** Key and stamps of a line whose first checksum is right. */
function headOf(line: Buffer): Buffer | undefined {
  const keyEnd = line.indexOf(TAB, BODY_START);
  const head = line.subarray(BODY_START, line.indexOf(TAB, keyEnd + 1));
  return line.toString("latin1", 0, SUM_LENGTH + 1) === `${hexOf(crc32(head))} ` ? head : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not ours, whatever its checksum.
    return undefined;
  }
}

function hexOf(sum: number): string {
  return sum.toString(16).padStart(SUM_LENGTH, "0");
}
