import { lstatSync, type Stats } from "node:fs";
import { open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Slices } from "../util/slices.ts";
import { PRIVATE_FILE_MODE, syncFolder } from "./durable.ts";
import type { StepHook } from "./store-step.ts";

/** Start of the name of a file that is being written. Left-overs are removed at opening. */
export const TEMPORARY_PREFIX = ".tmp-";

/** End of the name of a document's file. */
const DOCUMENT_SUFFIX = ".json";

/** Whether a file of the folder is a document's, by its name. */
export function isDocumentName(name: string): boolean {
  return name.endsWith(DOCUMENT_SUFFIX) && !name.startsWith(".");
}

/** Name of a document's file. */
export function documentFileName(id: string): string {
  return id + DOCUMENT_SUFFIX;
}

/** The id of the document whose file has this name. */
export function documentIdOf(name: string): string {
  return name.slice(0, -DOCUMENT_SUFFIX.length);
}

/** The text of a document's file: for reading, with a newline at the end. */
export function documentText(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

interface Staged {
  readonly id: string;
  /** Undefined: the file is to be removed. */
  readonly text: (() => string) | undefined;
}

/**
 * Brings `<folder>/<id>.json` up to what the journal says, later and in any order: until `makeDurable` has resolved,
 * the journal is what counts. `write` and `makeDurable` must not run at the same time; `stage` may be called any time.
 * Methods throw the operating system's errors as they are.
 */
export class DocumentFiles {
  readonly #folder: string;
  readonly #step: StepHook;
  /** Ids whose present file could not be read and must be kept. */
  readonly #unreadable: Set<string>;
  /** What differs from the durable files, or may after a crash of the machine. */
  readonly #staged = new Map<string, Staged>();
  readonly #unwritten = new Set<Staged>();

  constructor(options: {
    readonly folder: string;
    readonly step: StepHook;
    readonly unreadable: Iterable<string>;
  }) {
    this.#folder = options.folder;
    this.#step = options.step;
    this.#unreadable = new Set(options.unreadable);
  }

  /** Whether `makeDurable` has something to do. */
  get isStaged(): boolean {
    return this.#staged.size > 0;
  }

  /** How many files are not as they were staged yet. */
  get unwritten(): number {
    return this.#unwritten.size;
  }

  /** Plans a document's file, or its removal where `text` is undefined, in place of an earlier plan. The text is made when it is written. */
  stage(id: string, text: (() => string) | undefined): void {
    const former = this.#staged.get(id);
    if (former !== undefined) this.#unwritten.delete(former);
    const staged = { id, text };
    this.#staged.set(id, staged);
    this.#unwritten.add(staged);
  }

  /** Writes what is staged until now, by rename but without fsync. One that cannot be written holds up no other. */
  async write(): Promise<void> {
    // A copy: going through what is added meanwhile would not end while commits keep coming, and no checkpoint begin.
    const { errors } = await this.#applyEach([...this.#unwritten]);
    if (errors.length > 0) throw errors[0];
  }

  /**
   * Writes everything staged until now and makes it durable. When one cannot be written, it throws after the others.
   * When they cannot be made durable, all are written again next time.
   */
  async makeDurable(): Promise<void> {
    const { applied: covered, errors } = await this.#applyEach([...this.#staged.values()]);
    try {
      await this.#syncAll(covered);
      await this.#step("folder-sync");
      await syncFolder(this.#folder);
    } catch (error) {
      // After a failed fsync the kernel may take the pages for clean: only newly written files can be trusted.
      for (const staged of covered) if (this.#isCurrent(staged)) this.#unwritten.add(staged);
      throw error;
    }
    for (const staged of covered) if (this.#isCurrent(staged)) this.#staged.delete(staged.id);
    if (errors.length > 0) throw errors[0];
  }

  async #applyEach(
    all: readonly Staged[],
  ): Promise<{ applied: readonly Staged[]; errors: readonly unknown[] }> {
    const applied: Staged[] = [];
    const errors: unknown[] = [];
    // What is skipped takes its time too, of thousands.
    const slices = new Slices();
    for (const staged of all) {
      await slices.after(1);
      try {
        await this.#apply(staged);
        applied.push(staged);
      } catch (error) {
        errors.push(error);
      }
    }
    return { applied, errors };
  }

  async #apply(staged: Staged): Promise<void> {
    if (!this.#unwritten.has(staged)) return;
    const { id, text } = staged;
    if (this.#unreadable.has(id)) await this.#keepUnreadable(id);
    if (text === undefined) await this.#remove(id);
    else await this.#write(id, text());
    this.#unwritten.delete(staged);
  }

  async #write(id: string, text: string): Promise<void> {
    const temporary = join(this.#folder, TEMPORARY_PREFIX + id);
    await this.#step("document-write");
    await writeFile(temporary, text, { mode: PRIVATE_FILE_MODE });
    await this.#step("document-rename");
    await rename(temporary, this.#path(id));
  }

  async #remove(id: string): Promise<void> {
    await this.#step("document-remove");
    await rm(this.#path(id), { force: true });
  }

  /** Four at a time, as many as Node has threads for files: several fsyncs share one commit of the file system. */
  async #syncAll(covered: readonly Staged[]): Promise<void> {
    const waiting = covered.values();
    const slices = new Slices();
    const worker = async () => {
      for (const staged of waiting) {
        await slices.after(1);
        await this.#sync(staged);
      }
    };
    const results = await Promise.allSettled([worker(), worker(), worker(), worker()]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Skips what a later commit replaced: a newer journal file holds that. */
  async #sync(staged: Staged): Promise<void> {
    if (staged.text === undefined || !this.#isCurrent(staged)) return;
    await this.#step("document-sync");
    await using file = await open(this.#path(staged.id), "r");
    await file.sync();
  }

  #isCurrent(staged: Staged): boolean {
    return this.#staged.get(staged.id) === staged;
  }

  async #keepUnreadable(id: string): Promise<void> {
    const path = this.#path(id);
    let number = 1;
    while (statusOf(`${path}.unreadable-${number}`) !== undefined) number += 1;
    await this.#step("document-keep");
    const status = statusOf(path);
    // An empty file, as a crash of the machine leaves it, has nothing to keep.
    if (status !== undefined && !(status.isFile() && status.size === 0)) {
      await rename(path, `${path}.unreadable-${number}`);
    }
    this.#unreadable.delete(id);
  }

  #path(id: string): string {
    return join(this.#folder, documentFileName(id));
  }
}

function statusOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
