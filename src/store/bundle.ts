import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { BUNDLE_NAME, type BundledDocument, decodeBlock, encodeBlock, stampOf } from "./bundle-format.ts";
import { DOCUMENT_SUFFIX, TEMPORARY_PREFIX } from "./document-files.ts";
import { isDocument } from "./document-id.ts";
import { PRIVATE_FILE_MODE } from "./durable.ts";

/** A file that changed less than this long ago may change again within one tick of the file system's clock. */
const YOUNGEST_MS = 2_000;
/** Larger documents stay out of the bundle: few, and reading them is not what costs. */
const LARGEST_BYTES = 64 * 1024;
const DOCUMENTS_PER_BLOCK = 100;
const READ_BYTES = 1024 * 1024;
/** A block of the largest documents fits; a longer line is not ours. */
const LONGEST_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/** What `writeBundle` did. */
export interface BundleCount {
  readonly written: number;
  /** Left out: too young, too large or unreadable. */
  readonly left: number;
}

/**
 * Reads a folder's bundle, block by block. Yields what is undamaged; nothing when there is none or it cannot be read.
 * The caller must compare each stamp with the file: see `isUnchanged`.
 */
export function* readBundle(folder: string): Generator<BundledDocument> {
  const descriptor = openOrNone(`${folder}/${BUNDLE_NAME}`);
  if (descriptor === undefined) return;
  try {
    for (const line of linesOf(descriptor)) yield* decodeBlock(line);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes a folder's bundle from its document files, in place of the former one. Synchronous, for a thread of its own.
 * Not durable: whatever a crash leaves of it is told from the rest by its checksums. Throws the operating system's errors.
 */
export function writeBundle(folder: string, options: { readonly now?: () => number } = {}): BundleCount {
  const now = options.now ?? Date.now;
  const temporary = `${folder}/${TEMPORARY_PREFIX}${BUNDLE_NAME}-${process.pid}`;
  const output = openSync(temporary, "w", PRIVATE_FILE_MODE);
  let written = 0;
  let left = 0;
  let block: BundledDocument[] = [];
  const flush = (): void => {
    if (block.length > 0) writeWhole(output, encodeBlock(block));
    written += block.length;
    block = [];
  };
  try {
    for (const name of readdirSync(folder)) {
      if (name.startsWith(".") || !name.endsWith(DOCUMENT_SUFFIX)) continue;
      const found = readSettled(`${folder}/${name}`, name.slice(0, -DOCUMENT_SUFFIX.length), now);
      if (found === undefined) left += 1;
      else block.push(found);
      if (block.length === DOCUMENTS_PER_BLOCK) flush();
    }
    flush();
    renameSync(temporary, `${folder}/${BUNDLE_NAME}`);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(output);
  }
  return { written, left };
}

const shared = Buffer.allocUnsafe(LARGEST_BYTES);

/** A document whose file is at rest. The stamp is taken first: a write during the reading makes it void. */
function readSettled(path: string, id: string, now: () => number): BundledDocument | undefined {
  const descriptor = openOrNone(path);
  if (descriptor === undefined) return undefined;
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size > LARGEST_BYTES || (status.mode & 0o077) !== 0) return undefined;
    // A time to come too: the clock was set back, and may get there again.
    if (status.ctimeMs > now() - YOUNGEST_MS) return undefined;
    if (readSync(descriptor, shared, 0, status.size, 0) !== status.size) return undefined;
    const document: unknown = JSON.parse(shared.toString("utf8", 0, status.size));
    return isDocument(document) && document.id === id ? { stamp: stampOf(status), document } : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

function openOrNone(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/** Complete lines without their newlines; valid until the next one is asked for. Ends early where reading fails. */
function* linesOf(descriptor: number): Generator<Buffer> {
  let buffer = Buffer.allocUnsafe(READ_BYTES);
  let length = 0;
  for (;;) {
    if (length >= LONGEST_LINE_BYTES) return;
    if (length === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
    const read = readOrNone(descriptor, buffer, length);
    if (read === 0) return;
    length += read;
    let start = 0;
    for (
      let end = buffer.indexOf(NEWLINE);
      end !== -1 && end < length;
      end = buffer.indexOf(NEWLINE, start)
    ) {
      yield buffer.subarray(start, end);
      start = end + 1;
    }
    buffer.copyWithin(0, start, length);
    length -= start;
  }
}

function readOrNone(descriptor: number, buffer: Buffer, start: number): number {
  try {
    return readSync(descriptor, buffer, start, buffer.length - start, null);
  } catch {
    return 0;
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
