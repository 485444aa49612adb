import type { Stats } from "node:fs";
import { crc32 } from "node:zlib";
import { isDocument } from "./document-id.ts";
import type { Document } from "./document-store.ts";

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

/** A document as it stood in its file when the file had this stamp. */
export interface BundledDocument {
  readonly stamp: FileStamp;
  readonly document: Document;
}

const FORMAT = 1;
const SUM_LENGTH = 8;
// Behind the checksum, one space.
const BODY_START = SUM_LENGTH + 1;

/** The stamp of a file. */
export function stampOf({ ino, size, ctimeMs }: Stats): FileStamp {
  return { inode: ino, size, ctimeMs };
}

/** Whether the file with this status is unchanged since it had the stamp. */
export function isUnchanged(status: Stats, { inode, size, ctimeMs }: FileStamp): boolean {
  return status.ctimeMs === ctimeMs && status.ino === inode && status.size === size;
}

/** A line of the bundle: CRC-32 in hex, a space, and JSON. A line that does not match its checksum is void. */
export function encodeBlock(documents: readonly BundledDocument[]): Buffer {
  const rows = documents.map(({ stamp, document }) => [stamp.inode, stamp.size, stamp.ctimeMs, document]);
  const body = Buffer.from(JSON.stringify([FORMAT, ...rows]));
  return Buffer.concat([Buffer.from(`${checksum(body)} `), body, Buffer.from("\n")]);
}

/** The documents of a line without its newline; none when the line is damaged or of another format. */
export function decodeBlock(line: Buffer): readonly BundledDocument[] {
  const body = line.subarray(BODY_START);
  if (line.toString("latin1", 0, BODY_START) !== `${checksum(body)} `) return [];
  const value = parseJson(body.toString());
  if (!Array.isArray(value)) return [];
  const [format, ...rows]: unknown[] = value;
  return format === FORMAT ? rows.map(readRow).filter((row) => row !== undefined) : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not ours, whatever its checksum.
    return undefined;
  }
}

function readRow(row: unknown): BundledDocument | undefined {
  if (!Array.isArray(row)) return undefined;
  const [inode, size, ctimeMs, document]: unknown[] = row;
  if (typeof inode !== "number" || typeof size !== "number" || typeof ctimeMs !== "number") return undefined;
  return isDocument(document) ? { stamp: { inode, size, ctimeMs }, document } : undefined;
}

function checksum(body: Buffer): string {
  return crc32(body).toString(16).padStart(SUM_LENGTH, "0");
}
