import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Track } from "../../util/track.ts";
import { PRIVATE_FILE_MODE, syncFolder } from "../durable.ts";
import type { StepHook, StoreWork } from "../store-step.ts";
import { encodeBase } from "./journal-format.ts";

const NAME = /^\.journal-(\d{8,})$/;
/** Behind the name of a journal file that is kept for a human. */
export const DAMAGED_SUFFIX = ".damaged";

/** Whether a file of the folder belongs to the journal, and its number if so. */
export function journalNumber(name: string): number | undefined {
  const digits = name.startsWith(".") ? NAME.exec(name)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}

function journalName(number: number): string {
  return `.journal-${String(number).padStart(8, "0")}`;
}

interface OpenFile {
  readonly number: number;
  readonly handle: FileHandle;
  /** Bytes that are durable. The next line goes behind them. */
  length: number;
}

/**
 * The write-ahead journal: numbered files, of which only the newest grows. Not safe for concurrent calls.
 * Methods throw the operating system's errors as they are.
 */
export class Journal {
  readonly #folder: string;
  readonly #step: StepHook;
  readonly #track: Track<StoreWork>;
  readonly #damaged: ReadonlySet<string>;
  #older: number[];
  #newest: number;
  #file: OpenFile | undefined;
  #revision: number;
  #bytes = 0;

  /** `numbers` are the files that exist, ascending; `damaged` the names of those that are renamed instead of removed. */
  constructor(options: {
    readonly folder: string;
    readonly step: StepHook;
    readonly track: Track<StoreWork>;
    readonly numbers: readonly number[];
    readonly damaged: ReadonlySet<string>;
    readonly revision: number;
  }) {
    this.#folder = options.folder;
    this.#step = options.step;
    this.#track = options.track;
    this.#damaged = options.damaged;
    this.#older = [...options.numbers];
    this.#newest = options.numbers.at(-1) ?? 0;
    this.#revision = options.revision;
  }

  /** Revision of the last line that is durable. */
  get revision(): number {
    return this.#revision;
  }

  /** Bytes of commits in the newest file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes a line durable as the next revision: one append, one fdatasync. When it throws, the line does not count. */
  async append(line: Buffer): Promise<void> {
    const file = this.#file ?? (await this.#start());
    try {
      await this.#track("append", () => this.#write(file, line), line.length);
    } catch (error) {
      await this.#takeBack(file);
      throw error;
    }
    try {
      await this.#track("sync", () => this.#sync(file));
    } catch (error) {
      await this.#abandon(file);
      throw error;
    }
    file.length += line.length;
    this.#bytes += line.length;
    this.#revision += 1;
  }

  async #write(file: OpenFile, line: Buffer): Promise<void> {
    await this.#step("journal-append");
    await writeAt(file.handle, line, file.length);
  }

  async #sync(file: OpenFile): Promise<void> {
    await this.#step("journal-sync");
    await file.handle.datasync();
  }

  /**
   * Counts on from another revision: a new file begins with it. What older files hold must be in the documents, since a
   * base makes commits beyond it void.
   */
  async skipTo(revision: number): Promise<void> {
    const before = this.#revision;
    this.#revision = revision;
    try {
      await this.#start(true);
    } catch (error) {
      this.#revision = before;
      throw error;
    }
  }

  /** Starts a new file unless the newest is empty; returns the numbers of the older ones, for `remove` once the documents are durable. */
  async rotate(): Promise<readonly number[]> {
    if (this.#file === undefined || this.#bytes > 0) await this.#start();
    return [...this.#older];
  }

  /** Removes older files; a damaged one is renamed instead. */
  async remove(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      const name = journalName(number);
      const path = join(this.#folder, name);
      await this.#step("journal-remove");
      if (this.#damaged.has(name)) await rename(path, path + DAMAGED_SUFFIX);
      else await rm(path, { force: true });
      // One by one: a crash may bring back the last removal, and must not leave an older file without the newer.
      await syncFolder(this.#folder);
      this.#older = this.#older.filter((other) => other !== number);
    }
  }

  async close(): Promise<void> {
    await this.#leave();
  }

  /**
   * The file before is left for good *before* the new one's base is written: were it used on, that base would make
   * its later lines void. So a failure here leaves no file open, and the next append starts another.
   */
  async #start(skips = false): Promise<OpenFile> {
    await this.#leave();
    await this.#step("journal-create");
    const number = this.#newest + 1;
    this.#newest = number;
    const path = join(this.#folder, journalName(number));
    const handle = await open(path, "wx", PRIVATE_FILE_MODE);
    try {
      const line = encodeBase(this.#revision, skips);
      await this.#step("journal-start");
      await writeAt(handle, line, 0);
      await this.#step("journal-start-sync");
      await handle.sync();
      await syncFolder(this.#folder);
      this.#file = { number, handle, length: line.length };
      this.#bytes = 0;
      return this.#file;
    } catch (error) {
      await handle.close().catch(() => undefined);
      await rm(path).catch(() => undefined);
      throw error;
    }
  }

  async #leave(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    this.#older.push(file.number);
    await file.handle.close().catch(() => undefined);
  }

  /** After a refused write: cuts off what was written of the line. */
  async #takeBack(file: OpenFile): Promise<void> {
    try {
      await this.#step("journal-take-back");
      await file.handle.truncate(file.length);
      await file.handle.datasync();
    } catch {
      await this.#abandon(file);
    }
  }

  /**
   * After a failed fdatasync nothing is known of the file's pages, and a second one may succeed without having written
   * them (https://lwn.net/Articles/752063/). A new file's base makes the line void, whatever became of it.
   */
  async #abandon(file: OpenFile): Promise<void> {
    await file.handle.truncate(file.length).catch(() => undefined);
    await this.#start().catch(() => undefined);
  }
}

async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
