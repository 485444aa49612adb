import { createHash } from "node:crypto";
import { isDocument } from "../store/document-id.ts";
import type { Document } from "../store/document-store.ts";
import {
  ARCHIVE_FORMAT,
  type ArchiveEnd,
  type ArchiveHeader,
  invalidArchive,
  LONGEST_LINE,
} from "./archive-format.ts";
import { type ArchiveKind, countedKind, type KindName, kindNames } from "./archive-kind.ts";

/** What an archive has, checked. */
export interface ArchiveContents {
  readonly header: ArchiveHeader;
  readonly documents: ReadonlyMap<KindName, readonly Document[]>;
  /** Ingresses that were not served where the archive comes from, by name or id. */
  readonly setAside: readonly string[];
}

/**
 * Reads an archive whole and checks it: its form, each document by its kind, that it is complete and as it was written. Throws
 * `archive_invalid`, and `source_read_only` for documents of a kind that is not kept here.
 */
export async function readArchive(
  bytes: AsyncIterable<Uint8Array>,
  kinds: readonly ArchiveKind[],
): Promise<ArchiveContents> {
  const reading = new Reading(kinds);
  for await (const line of linesIn(bytes)) reading.take(line);
  return reading.contents();
}

class Reading {
  readonly #kinds: ReadonlyMap<string, ArchiveKind>;
  readonly #documents = new Map<KindName, Document[]>();
  readonly #ids = new Set<string>();
  readonly #setAside: string[] = [];
  readonly #hash = createHash("sha256");
  #line = 0;
  #header: ArchiveHeader | undefined;
  #isEnded = false;

  constructor(kinds: readonly ArchiveKind[]) {
    this.#kinds = new Map(kinds.map((kind) => [kind.name, kind]));
    for (const name of kindNames) this.#documents.set(name, []);
  }

  take(line: Buffer): void {
    this.#line += 1;
    if (this.#isEnded) throw invalidArchive(`something follows its end (line ${this.#line})`);
    const value = this.#parse(line);
    if (this.#header === undefined) this.#header = headerOf(value);
    else if ("end" in value) this.#end(value as unknown as ArchiveEnd);
    else this.#document(value);
    if (!this.#isEnded) this.#hash.update(line).update("\n");
  }

  contents(): ArchiveContents {
    if (this.#header === undefined) throw invalidArchive("it is empty");
    if (!this.#isEnded) throw invalidArchive("its end is missing: it was cut off; export it again");
    return { header: this.#header, documents: this.#documents, setAside: this.#setAside };
  }

  #parse(line: Buffer): { readonly [key: string]: unknown } {
    try {
      const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
      if (typeof value === "object" && value !== null) return value as { readonly [key: string]: unknown };
    } catch {
      // The error repeats part of the text, which may hold a secret.
    }
    const place =
      this.#line === 1 ? "it is no archive of Gatewright" : `line ${this.#line} is no JSON object`;
    throw invalidArchive(place);
  }

  #document(value: { readonly [key: string]: unknown }): void {
    const [name = "", ...others] = Object.keys(value);
    const document = value[name];
    if (name === "set_aside") return void this.#setAside.push(nameOf(document));
    const documents = this.#documents.get(name as KindName);
    if (documents === undefined || others.length > 0)
      throw invalidArchive(`line ${this.#line} has none of: ${kindNames.join(", ")}`);
    const kind = this.#kinds.get(name);
    // It is counted all the same, for the end.
    if (kind === undefined) return void documents.push({ id: "" });
    if (!isDocument(document)) throw invalidArchive(`line ${this.#line}: the ${name} has no id`);
    const key = `${name} ${document.id}`;
    if (this.#ids.has(key))
      throw invalidArchive(`line ${this.#line}: the ${name} ${document.id} is there twice`);
    this.#ids.add(key);
    try {
      documents.push(kind.read(document));
    } catch (error) {
      throw invalidArchive(`line ${this.#line}: ${name} ${document.id}: ${(error as Error).message}`, error);
    }
  }

  #end({ end, sha256 }: ArchiveEnd): void {
    if (sha256 !== this.#hash.digest("hex"))
      throw invalidArchive("its checksum is another one: it was damaged or changed; export it again");
    for (const [name, documents] of this.#documents)
      if (end?.[name] !== documents.length)
        throw invalidArchive(`it has ${countedKind(name, documents.length)} and should have ${end?.[name]}`);
    this.#isEnded = true;
  }
}

function headerOf(value: { readonly [key: string]: unknown }): ArchiveHeader {
  const { exported_at, gatewright_archive: format, settings, version } = value;
  if (typeof format !== "number") throw invalidArchive("it is no archive of Gatewright");
  if (format !== ARCHIVE_FORMAT)
    throw invalidArchive(
      `it has format ${format} and was written by Gatewright ${String(version).slice(0, 40)}, and this one reads format ${ARCHIVE_FORMAT}; import it into that version or a later one`,
    );
  const isList = Array.isArray(settings) && settings.every((one) => typeof one === "string");
  if (typeof exported_at !== "string" || typeof version !== "string" || !isList)
    throw invalidArchive("its first line is incomplete");
  return { gatewright_archive: format, exported_at, version, settings };
}

function nameOf(setAside: unknown): string {
  const { id, name } = (setAside ?? {}) as { readonly id?: unknown; readonly name?: unknown };
  return String(name ?? id).slice(0, 200);
}

/** The lines, without their ends, as they come; an unfinished last one too. */
async function* linesIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let length = 0;
  const add = (piece: Buffer): void => {
    length += piece.length;
    if (length > LONGEST_LINE) throw invalidArchive(`a line is longer than ${LONGEST_LINE} bytes`);
    rest.push(piece);
  };
  const take = (): Buffer => {
    const line = rest.length === 1 && rest[0] !== undefined ? rest[0] : Buffer.concat(rest);
    rest = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
      add(bytes.subarray(start, end));
      yield take();
      start = end + 1;
    }
    if (start < bytes.length) add(bytes.subarray(start));
  }
  if (length > 0) yield take();
}
