import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface FollowOptions {
  /** A log; its folder must exist. */
  readonly file: string;
  /** Gets whole lines, newlines included, in a buffer that is used again; is waited for. */
  readonly onLines: (lines: Buffer) => void | Promise<void>;
  /** Gets the number of bytes that a flood had skipped. */
  readonly onSkipped: (bytes: number) => void;
  /** Gets why the file cannot be read; it is tried again. */
  readonly onError: (error: unknown) => void;
  /** Time between two looks besides the system's notices. Default 1,000. */
  readonly pollMs?: number;
  /** What may be left unread before it is skipped. Default 1 MiB. */
  readonly mostBehindBytes?: number;
}

/** A file that is followed. */
export interface FollowedFile {
  /** Reads what was written until now, and ends. */
  close(): Promise<void>;
}

/** Bytes that are read at a time; a longer line is left out. */
const CHUNK_BYTES = 64 * 1024;

/** How long the last lines may take. */
const LAST_LINES_MS = 2_000;

/** Reads what is written to a log from now on, also across its rotation. What was written before is not repeated. */
export async function followFile(options: FollowOptions): Promise<FollowedFile> {
  const follower = new Follower(options);
  await follower.start();
  return follower;
}

class Follower implements FollowedFile {
  readonly #options: FollowOptions;
  readonly #buffer = Buffer.alloc(CHUNK_BYTES);
  #handle: FileHandle | undefined;
  #inode: number | undefined;
  #offset = 0;
  /** Whether what follows is the rest of a line whose beginning was left out. */
  #torn = false;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pumping: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#openFile();
    if (this.#handle !== undefined) this.#offset = (await this.#handle.stat()).size;
    this.#timer = setInterval(() => this.#wake(), this.#options.pollMs ?? 1_000);
    this.#timer.unref();
    const { dir, base } = path.parse(this.#options.file);
    this.#watcher = watch(dir, { persistent: false }, (_, name) => {
      if (name === base) this.#wake();
    });
    // Without notices (inotify has run out of watches) the timer goes on.
    this.#watcher.on("error", () => this.#watcher?.close());
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    clearInterval(this.#timer);
    // What Caddy wrote until now still comes through.
    this.#wake();
    await Promise.race([this.#pumping, sleep(LAST_LINES_MS, undefined, { ref: false })]);
    this.#closed = true;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Reads on; a call while reading reads once more afterwards. */
  #wake(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined;
    });
  }

  async #pump(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#readOn();
        if (await this.#wasReplaced()) {
          await this.#readOn();
          await this.#handle?.close();
          await this.#openFile();
          this.#again = true;
        }
      } catch (error) {
        this.#options.onError(error);
        return;
      }
    }
  }

  /** Opens the file that has the name now, at its beginning. */
  async #openFile(): Promise<void> {
    this.#offset = 0;
    this.#torn = false;
    this.#handle = await open(this.#options.file, "r").catch(() => undefined);
    this.#inode = (await this.#handle?.stat())?.ino;
  }

  /** Whether the name belongs to another file than the open one: it was rotated, or has its first entry. */
  async #wasReplaced(): Promise<boolean> {
    const present = await stat(this.#options.file).catch(() => undefined);
    return present !== undefined && present.ino !== this.#inode;
  }

  async #readOn(): Promise<void> {
    if (this.#handle === undefined) return;
    const { size } = await this.#handle.stat();
    if (size < this.#offset) this.#offset = 0;
    this.#skipFlood(size);
    for (;;) {
      const { bytesRead } = await this.#handle.read(this.#buffer, 0, CHUNK_BYTES, this.#offset);
      if (bytesRead === 0) return;
      // Whole lines only, so that no character is cut in two.
      const end = this.#buffer.lastIndexOf(0x0a, bytesRead - 1);
      if (end === -1 && bytesRead < CHUNK_BYTES) return;
      this.#offset += end === -1 ? bytesRead : end + 1;
      const begin = this.#torn ? this.#buffer.indexOf(0x0a) + 1 : 0;
      this.#torn = end === -1;
      // Whoever takes the lines may be slower than they come.
      if (begin <= end) await this.#options.onLines(this.#buffer.subarray(begin, end + 1));
    }
  }

  #skipFlood(size: number): void {
    const most = this.#options.mostBehindBytes ?? 1024 * 1024;
    const behind = size - this.#offset;
    if (behind <= most) return;
    this.#offset = size - Math.floor(most / 2);
    this.#torn = true;
    const skipped = behind - Math.floor(most / 2);
    this.#options.onSkipped(skipped);
  }
}
