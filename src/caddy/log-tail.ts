import { Ring } from "../util/ring.ts";
import { Watchers } from "../util/watchers.ts";
import type { CaddyLogEntry } from "./log-entry.ts";

/** An entry with its place among those that were read. */
export interface TailEntry extends CaddyLogEntry {
  /** Grows by one from entry to entry, and is larger than all of former processes. */
  readonly id: number;
  /** When it was read, in ISO 8601. */
  readonly time: string;
}

/** What those who read entries see of them. */
export type LogReader = Pick<LogTail, "after" | "newest" | "lastId" | "droppedId" | "watch">;

/** Entries that are kept. */
const KEPT = 1_000;

/** The last entries of Caddy's log, as they are passed on: without secrets, and without who asked for what. */
export class LogTail {
  readonly #ring = new Ring<TailEntry>(KEPT);
  readonly #watchers = new Watchers();
  #lastId: number;

  /** `now` is where the ids begin: no process reads an entry each microsecond. Default: the system's clock. */
  constructor(now: () => Date = () => new Date()) {
    this.#lastId = now().getTime() * 1_000;
    this.#ring.begin(this.#lastId);
  }

  add(entry: CaddyLogEntry): void {
    this.#lastId += 1;
    this.#ring.push({ id: this.#lastId, time: new Date().toISOString(), ...entry });
    this.#watchers.tell();
  }

  /** The newest that come after an entry, the newest first. */
  newest(after: number, limit: number): readonly TailEntry[] {
    return this.after(after, KEPT).slice(-limit).reverse();
  }

  /** Those that follow an entry, the oldest first, at most so many. One that is not yet there is of another clock: all do. */
  after(id: number, most: number): readonly TailEntry[] {
    return this.#ring.after(id > this.#lastId ? 0 : id, most);
  }

  get lastId(): number {
    return this.#lastId;
  }

  /** The id of the last entry that cannot be read any more. */
  get droppedId(): number {
    return this.#ring.droppedId;
  }

  /** Calls back after new entries, once for those that come together. Returns what ends it. */
  watch(listener: () => void): () => void {
    return this.#watchers.add(listener);
  }
}
