import { isUtf8 } from "node:buffer";
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { LARGEST_BUNDLED_BYTES, type ReadBlock, readBundle } from "./bundle/bundle.ts";
import { type FolderScan, scanFolder } from "./bundle/folder-scan.ts";
import { documentIdOf, isDocumentName, TEMPORARY_PREFIX } from "./document-files.ts";
import type { Document, UnreadableDocument } from "./document-store.ts";
import { PRIVATE_FILE_MODE, systemCode } from "./durable.ts";
import { DAMAGED_SUFFIX, journalNumber } from "./journal/journal.ts";
import { parseJournal } from "./journal/journal-format.ts";
import type { JournalFile } from "./journal/journal-replay.ts";

/** Checks a parsed document and returns it as its type; throws an Error whose message says what is wrong. */
export type Validate<T extends Document> = (value: unknown) => T;

/** Documents larger than this are reported as unreadable: 16 MiB. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Of an unreadable document, this much of its text is kept: 1 MiB. */
const MAX_TEXT_BYTES = 1024 * 1024;

/** What stands in a store's folder, before the journal is replayed. */
export interface FolderContent<T extends Document> {
  readonly documents: Map<string, T>;
  readonly unreadable: Map<string, UnreadableDocument>;
  /** The oldest first. */
  readonly journal: readonly JournalFile[];
  /** Journal files that were found damaged at an earlier opening. */
  readonly damagedBefore: readonly JournalFile[];
  /** How many documents were read from their files and could stand in the bundle. */
  readonly unbundled: number;
  /** How many bundled documents were checked by other rules than these. */
  readonly outdated: number;
}

/** How documents are checked. */
export interface Check<T extends Document> {
  readonly validate: Validate<T>;
  /** The name of the rules. Documents of a bundle that names the same ones are not checked again. Default: all are. */
  readonly key?: string | undefined;
}

/** The bundle and the scan that was made of the same folder. */
export interface FolderIndex {
  readonly blocks: readonly ReadBlock[];
  readonly scan: FolderScan;
}

/**
 * Reads a whole folder, removes left-over temporary files, and takes group's and others' rights from the files it reads.
 * Synchronous, since promises take several times as long; what the bundle holds is not read again.
 * Throws the operating system's errors when the folder or the journal cannot be read.
 */
export function readFolder<T extends Document>(
  folder: string,
  check: Check<T>,
  index: FolderIndex = { blocks: [...readBundle(folder)], scan: scanFolder(folder) },
): FolderContent<T> {
  const { hidden, files, bundled } = index.scan;
  const journalNames: string[] = [];
  const damagedNames: string[] = [];
  for (const name of hidden) {
    if (name.startsWith(TEMPORARY_PREFIX)) rmSync(join(folder, name), { force: true });
    else if (journalNumber(name) !== undefined) journalNames.push(name);
    else if (name.startsWith(".journal-") && name.endsWith(DAMAGED_SUFFIX)) damagedNames.push(name);
  }
  const { documents, outdated } = takeBundled(index, check);
  const unreadable = new Map<string, UnreadableDocument>();
  // A line may be damaged, or be unreadable by now, or a document break a rule: the files tell.
  const names = documents.size === bundled ? files : filesBeside(folder, documents);
  let unbundled = 0;
  for (const name of names) {
    const id = documentIdOf(name);
    // Not join(), which costs 5 % of the whole here.
    const result = readDocument(`${folder}/${name}`, id, check.validate);
    if ("document" in result) {
      documents.set(id, result.document);
      if (result.bytes <= LARGEST_BUNDLED_BYTES) unbundled += 1;
    } else unreadable.set(id, result);
  }
  const read = (name: string): JournalFile => {
    tighten((mode) => chmodSync(join(folder, name), mode));
    return { name, entries: parseJournal(readFileSync(join(folder, name))) };
  };
  journalNames.sort((a, b) => (journalNumber(a) ?? 0) - (journalNumber(b) ?? 0));
  return {
    documents,
    unreadable,
    journal: journalNames.map(read),
    damagedBefore: damagedNames.map(read),
    unbundled,
    outdated,
  };
}

interface Taken<T> {
  readonly documents: Map<string, T>;
  readonly outdated: number;
}

/** Takes the documents of the bundle that its files still hold. */
function takeBundled<T extends Document>({ blocks, scan }: FolderIndex, check: Check<T>): Taken<T> {
  const documents = new Map<string, T>();
  let outdated = 0;
  for (const { line, key, isMade, documents: bundled } of blocks) {
    const changed = scan.lines.get(line);
    const isCurrent = check.key === key;
    // What other rules made of files says nothing about these.
    if (changed === undefined || (isMade && !isCurrent)) continue;
    if (!isCurrent && check.key !== undefined) outdated += bundled.length;
    for (const [at, document] of bundled.entries()) {
      if (changed.length > 0 && changed.includes(at)) continue;
      // The same rules found it good, so it has the type that they give.
      const taken = isCurrent ? (document as T) : goodOrNone(document, check.validate);
      if (taken !== undefined) documents.set(taken.id, taken);
    }
  }
  return { documents, outdated };
}

/** Names of the documents' files beside those that are there already. */
function filesBeside(folder: string, documents: ReadonlyMap<string, unknown>): readonly string[] {
  return readdirSync(folder).filter((name) => isDocumentName(name) && !documents.has(documentIdOf(name)));
}

/** A bundled document that is not good is read from its file, for the report. */
function goodOrNone<T extends Document>(document: Document, validate: Validate<T>): T | undefined {
  try {
    return checkDocument(document, document.id, validate);
  } catch {
    return undefined;
  }
}

/** Runs `validate` on a parsed value that must carry this id. */
export function checkDocument<T extends Document>(value: unknown, id: string, validate: Validate<T>): T {
  const document = validate(value);
  if (document.id !== id) throw new Error(`The document's id is not ${JSON.stringify(id)}.`);
  return document;
}

/** Makes the report about a document that could not be read. */
export function describeUnreadable(
  id: string,
  path: string,
  error: unknown,
  text: string,
): UnreadableDocument {
  return {
    kind: "document",
    id,
    path,
    reason: error instanceof Error ? error.message : String(error),
    text: text.slice(0, MAX_TEXT_BYTES),
  };
}

function readDocument<T extends Document>(
  path: string,
  id: string,
  validate: Validate<T>,
): { readonly document: T; readonly bytes: number } | UnreadableDocument {
  let bytes: Buffer | undefined;
  try {
    bytes = readBounded(path);
    if (bytes.length > MAX_DOCUMENT_BYTES)
      throw new Error(`The file is larger than ${MAX_DOCUMENT_BYTES} bytes.`);
    if (!isUtf8(bytes)) throw new Error("The file is not UTF-8 text.");
    return { document: checkDocument(JSON.parse(bytes.toString()), id, validate), bytes: bytes.length };
  } catch (error) {
    return describeUnreadable(id, path, error, bytes?.toString("utf8", 0, MAX_TEXT_BYTES) ?? "");
  }
}

const shared = Buffer.allocUnsafe(64 * 1024);

/** At most one byte more than a document may have. Of shared memory: valid until the next call. */
function readBounded(path: string): Buffer<ArrayBuffer> {
  // Neither follows a link out of the folder nor waits for the writer of a pipe.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new Error("It is not a regular file.");
    if ((status.mode & 0o077) !== 0) tighten((mode) => fchmodSync(descriptor, mode));
    const size = Math.min(status.size, MAX_DOCUMENT_BYTES + 1);
    const buffer = size > shared.length ? Buffer.allocUnsafe(size) : shared;
    let length = 0;
    for (let read = -1; read !== 0 && length < size; length += read) {
      read = readSync(descriptor, buffer, length, size - length, null);
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** The folder itself is closed to others, so a file of another owner is read all the same. */
function tighten(change: (mode: number) => void): void {
  try {
    change(PRIVATE_FILE_MODE);
  } catch (error) {
    if (systemCode(error) !== "EPERM" && systemCode(error) !== "EROFS") throw error;
  }
}
