import { chmod, type FileHandle, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { lineOf, readLines } from "./event-lines.ts";
import type { KeptEvent } from "./kept-event.ts";

export interface EventFileOptions {
  /** Must exist. */
  readonly folder: string;
  /** Events in a segment. Two segments are kept, so that at least so many survive. */
  readonly events: number;
  /** Larger segments end before they have so many. Default 16 MiB. */
  readonly bytes?: number;
}

/** What a file has. */
export interface KeptEvents {
  /** The oldest first. */
  readonly events: readonly KeptEvent[];
  /** Lines that cannot be read. */
  readonly damaged: number;
  /** Nothing was taken out of it yet. */
  readonly isWhole: boolean;
}

const CURRENT = "events.log";
const BEFORE = "events.1.log";
const PRIVATE_FILE_MODE = 0o600;

/**
 * The events on disk, in two segments of bounded size: one that grows, and the one before it. What a crash tears is left
 * out when it is read.
 */
export class EventFile {
  readonly #options: Required<EventFileOptions>;
  #events = 0;
  #bytes = 0;
  /** The last line may have no end. */
  #isTorn = false;

  constructor(options: EventFileOptions) {
    this.#options = { bytes: 16 * 1024 * 1024, ...options };
  }

  /** Reads what was kept. Files that are missing are empty. */
  async read(): Promise<KeptEvents> {
    const [before, current] = [await this.#readText(BEFORE), await this.#readText(CURRENT)];
    this.#isTorn = current !== "" && !current.endsWith("\n");
    this.#bytes = Buffer.byteLength(current);
    this.#events = current.split("\n").length - 1;
    return { ...readLines(`${before}\n${current}`), isWhole: before === "" };
  }

  /** Adds events at the end. Throws the operating system's error; then a part of them may be there. */
  async append(events: readonly KeptEvent[]): Promise<void> {
    await this.#rotate();
    const text = (this.#isTorn ? "\n" : "") + events.map(lineOf).join("");
    this.#isTorn = true;
    await using file = await open(this.#path(CURRENT), "a", PRIVATE_FILE_MODE);
    await writeWhole(file, Buffer.from(text));
    this.#isTorn = false;
    this.#bytes += Buffer.byteLength(text);
    this.#events += events.length;
  }

  async #rotate(): Promise<void> {
    if (this.#events < this.#options.events && this.#bytes < this.#options.bytes) return;
    await rename(this.#path(CURRENT), this.#path(BEFORE));
    this.#events = 0;
    this.#bytes = 0;
    this.#isTorn = false;
  }

  /** The end of a file that is larger than any of ours. */
  async #readText(name: string): Promise<string> {
    const path = this.#path(name);
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    if (size === 0) return "";
    await chmod(path, PRIVATE_FILE_MODE);
    const most = this.#options.bytes * 2;
    await using file = await open(path, "r");
    const buffer = Buffer.alloc(Math.min(size, most));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, Math.max(0, size - most));
    return buffer.toString("utf8", 0, bytesRead);
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }
}

/** A disk that is nearly full takes a part. */
async function writeWhole(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
