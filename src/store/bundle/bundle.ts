import { isUtf8 } from "node:buffer";
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { documentIdOf, isDocumentName, TEMPORARY_PREFIX } from "../document-files.ts";
import { isDocument } from "../document-id.ts";
import type { Document } from "../document-store.ts";
import { PRIVATE_FILE_MODE } from "../durable.ts";
import {
  type Block,
  BUNDLE_NAME,
  decodeDocuments,
  encodeBlock,
  type FileStamp,
  stampOf,
} from "./bundle-format.ts";
import { bundleLines, openOrNone } from "./bundle-lines.ts";
import type { CreateCheck } from "./document-check.ts";

/** A file that changed less than this long ago may change again within one tick of the file system's clock. */
const YOUNGEST_MS = 2_000;
/** Larger documents stay out of the bundle: few, and reading them is not what costs. */
export const LARGEST_BUNDLED_BYTES = 64 * 1024;
const DOCUMENTS_PER_BLOCK = 100;

/** A bundle that is not in place yet. */
export interface BundleDraft {
  /** Of its file in the folder. */
  readonly name: string;
  readonly written: number;
  /** Left out since they may change again unnoticed: another draft has them. Others that are left out it has not either. */
  readonly young: number;
}

/** How documents are checked, and the name of the rules; see `DocumentCheck`. */
export interface BundleCheck {
  readonly key: string;
  readonly validate: ReturnType<CreateCheck>;
}

/** A block of a bundle. */
export interface ReadBlock extends Omit<Block, "stamps"> {
  /** Its line, counted from 0. */
  readonly line: number;
}

/**
 * Reads a folder's bundle. Yields what is undamaged; nothing when there is none or it cannot be read. The caller must
 * take only what `scanFolder` found unchanged.
 */
export function* readBundle(folder: string): Generator<ReadBlock> {
  let line = 0;
  for (const bytes of bundleLines(folder)) {
    const block = decodeDocuments(bytes);
    if (block !== undefined) yield { line, ...block };
    line += 1;
  }
}

/** Name of the file that this process drafts a folder's bundle in. A start removes what is left of it. */
export function draftName(pid: number): string {
  return `${TEMPORARY_PREFIX}${BUNDLE_NAME}-${pid}`;
}

/**
 * Writes a bundle of a folder's document files beside the one that there is; `installBundle` puts it in place.
 * Synchronous, for a process of its own. Not durable: whatever a crash leaves of it is told from the rest by its
 * checksums. Throws the operating system's errors.
 */
export function draftBundle(
  folder: string,
  options: { readonly now?: () => number; readonly check?: BundleCheck | undefined } = {},
): BundleDraft {
  const now = options.now ?? Date.now;
  const name = draftName(process.pid);
  const output = openSync(`${folder}/${name}`, "w", PRIVATE_FILE_MODE);
  const key = options.check?.key ?? "";
  const asStored = new BlockWriter(output, { key, isMade: false });
  const made = new BlockWriter(output, { key, isMade: true });
  let young = 0;
  try {
    // In order, so that a start has less to sort.
    for (const file of readdirSync(folder).filter(isDocumentName).sort()) {
      const found = readAtRest(`${folder}/${file}`, documentIdOf(file), now);
      if (found === "young") young += 1;
      if (found === undefined || found === "young") continue;
      const document = checked(found.document, options.check);
      if (document !== undefined)
        (document === found.document ? asStored : made).add({ stamp: found.stamp, document });
    }
    asStored.flush();
    made.flush();
  } catch (error) {
    rmSync(`${folder}/${name}`, { force: true });
    throw error;
  } finally {
    closeSync(output);
  }
  return { name, written: asStored.written + made.written, young };
}

/**
 * Puts a draft in the place of the former bundle. Only for who holds the folder: a start compares the files with the
 * bundle that it reads.
 */
export function installBundle(folder: string, { name }: Pick<BundleDraft, "name">): void {
  renameSync(`${folder}/${name}`, `${folder}/${BUNDLE_NAME}`);
}

/** The document that whoever opens the store gets; undefined when it is not good, which the next start reports. */
function checked(document: Document, check: BundleCheck | undefined): Document | undefined {
  if (check === undefined) return document;
  try {
    const value = check.validate(document);
    return isDocument(value) && value.id === document.id ? value : undefined;
  } catch {
    return undefined;
  }
}

interface AtRest {
  readonly stamp: FileStamp;
  readonly document: Document;
}

class BlockWriter {
  readonly #output: number;
  readonly #kind: Pick<Block, "key" | "isMade">;
  #block: AtRest[] = [];
  written = 0;

  constructor(output: number, kind: Pick<Block, "key" | "isMade">) {
    this.#output = output;
    this.#kind = kind;
  }

  add(document: AtRest): void {
    this.#block.push(document);
    if (this.#block.length === DOCUMENTS_PER_BLOCK) this.flush();
  }

  flush(): void {
    const block = this.#block;
    if (block.length === 0) return;
    const stamps = {
      ids: block.map(({ document }) => document.id),
      inodes: block.map(({ stamp }) => stamp.inode),
      sizes: block.map(({ stamp }) => stamp.size),
      ctimesMs: block.map(({ stamp }) => stamp.ctimeMs),
    };
    const documents = block.map(({ document }) => document);
    writeWhole(this.#output, encodeBlock({ ...this.#kind, stamps, documents }));
    this.written += block.length;
    this.#block = [];
  }
}

const shared = Buffer.allocUnsafe(LARGEST_BUNDLED_BYTES);

/** A document whose file is at rest. The stamp is taken first: a write during the reading makes it void. */
function readAtRest(path: string, id: string, now: () => number): AtRest | "young" | undefined {
  const descriptor = openOrNone(path);
  if (descriptor === undefined) return undefined;
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size > LARGEST_BUNDLED_BYTES || (status.mode & 0o077) !== 0)
      return undefined;
    const ageMs = now() - status.ctimeMs;
    // A time to come: the clock was set back, and may get there again.
    if (ageMs < YOUNGEST_MS) return ageMs < 0 ? undefined : "young";
    if (readSync(descriptor, shared, 0, status.size, 0) !== status.size) return undefined;
    const text = shared.subarray(0, status.size);
    // As a reading of the file: what is no UTF-8 would become another document here.
    if (!isUtf8(text)) return undefined;
    const document: unknown = JSON.parse(text.toString());
    return isDocument(document) && document.id === id ? { stamp: stampOf(status), document } : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
