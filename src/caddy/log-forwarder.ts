import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import path from "node:path";
import type { Logger } from "../log.ts";
import { parseLogEntry } from "./log-entry.ts";
import { caddyLogPath } from "./log-settings.ts";
import { createScrub, type Scrub } from "./scrub.ts";

export interface LogForwarderOptions {
  /** `<DATA_DIR>/caddy`; must exist. */
  readonly folder: string;
  /** Gets Caddy's entries at their own level. */
  readonly logger: Logger;
  /** Values that are taken out of every entry. */
  readonly secrets?: readonly string[];
  /** Time between two looks besides the system's notices. Default 1,000. */
  readonly pollMs?: number;
  /** What a flood may leave unread before it is skipped. Default 1 MiB. */
  readonly mostBehindBytes?: number;
}

/** Follows Caddy's log from now on. */
export interface LogForwarder {
  close(): Promise<void>;
}

/** Bytes that are read at a time; a longer line is not forwarded. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Passes each new entry of `<folder>/caddy.log` to the logger, also across Caddy's rotation of the file. What was
 * written before is not repeated. The log itself stays whole in its file: a flood is skipped here, and the number of
 * bytes is logged.
 */
export async function forwardCaddyLog(options: LogForwarderOptions): Promise<LogForwarder> {
  const forwarder = new Follower(options);
  await forwarder.start();
  return forwarder;
}

class Follower implements LogForwarder {
  readonly #options: LogForwarderOptions;
  readonly #file: string;
  readonly #scrub: Scrub;
  readonly #buffer = Buffer.alloc(CHUNK_BYTES);
  #handle: FileHandle | undefined;
  #inode: number | undefined;
  #offset = 0;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pumping: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: LogForwarderOptions) {
    this.#options = options;
    this.#file = caddyLogPath(options.folder);
    this.#scrub = createScrub(options.secrets ?? [], [options.folder]);
  }

  async start(): Promise<void> {
    await this.#openFile();
    if (this.#handle !== undefined) this.#offset = (await this.#handle.stat()).size;
    this.#timer = setInterval(() => this.#wake(), this.#options.pollMs ?? 1_000);
    this.#timer.unref();
    this.#watcher = watch(this.#options.folder, { persistent: false }, (_, name) => {
      if (name === path.basename(this.#file)) this.#wake();
    });
    // Without notices (inotify has run out of watches) the timer goes on.
    this.#watcher.on("error", () => this.#watcher?.close());
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    clearInterval(this.#timer);
    // What Caddy wrote until now still comes through.
    this.#wake();
    await this.#pumping;
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
        this.#options.logger.warn("caddy.log cannot be followed", { error });
        return;
      }
    }
  }

  /** Opens the file that has the name now, at its beginning. */
  async #openFile(): Promise<void> {
    this.#offset = 0;
    this.#handle = await open(this.#file, "r").catch(() => undefined);
    this.#inode = (await this.#handle?.stat())?.ino;
  }

  /** Whether the name belongs to another file than the open one: Caddy rotated, or wrote its first entry. */
  async #wasReplaced(): Promise<boolean> {
    const present = await stat(this.#file).catch(() => undefined);
    return present !== undefined && present.ino !== this.#inode;
  }

  async #readOn(): Promise<void> {
    if (this.#handle === undefined) return;
    const { size } = await this.#handle.stat();
    if (size < this.#offset) {
      this.#offset = 0;
    }
    this.#skipFlood(size);
    for (;;) {
      const { bytesRead } = await this.#handle.read(this.#buffer, 0, CHUNK_BYTES, this.#offset);
      if (bytesRead === 0) return;
      // Whole lines only, so that no character is cut in two.
      const end = this.#buffer.lastIndexOf(0x0a, bytesRead - 1);
      if (end === -1 && bytesRead < CHUNK_BYTES) return;
      this.#offset += end === -1 ? bytesRead : end + 1;
      if (end === -1) continue;
      for (const line of this.#buffer.toString("utf8", 0, end).split("\n")) this.#forward(line);
    }
  }

  #skipFlood(size: number): void {
    const most = this.#options.mostBehindBytes ?? 1024 * 1024;
    const behind = size - this.#offset;
    if (behind <= most) return;
    this.#offset = size - Math.floor(most / 2);
    const skipped = behind - Math.floor(most / 2);
    this.#options.logger.warn("Caddy logs faster than its entries are forwarded; caddy.log has all", {
      skipped,
    });
  }

  #forward(line: string): void {
    const entry = parseLogEntry(line, this.#scrub);
    if (entry !== undefined) this.#options.logger[entry.level](entry.message, entry.fields);
  }
}
