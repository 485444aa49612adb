import type { CaddyLogEntry } from "./log-entry.ts";

/** An entry with its place among those that were read. */
export interface TailEntry extends CaddyLogEntry {
  /** Grows by one from entry to entry of this process. */
  readonly id: number;
  /** When it was read, in ISO 8601. */
  readonly time: string;
}

/** Entries that are kept. */
const KEPT = 1_000;

/** The last entries of Caddy's log, as they are passed on: without secrets, and without who asked for what. */
export class LogTail {
  readonly #entries: TailEntry[] = [];
  #lastId = 0;

  add(entry: CaddyLogEntry): void {
    this.#lastId += 1;
    this.#entries.push({ id: this.#lastId, time: new Date().toISOString(), ...entry });
    // Twice as many at the most, so that they are not moved for each.
    if (this.#entries.length >= 2 * KEPT) this.#entries.splice(0, this.#entries.length - KEPT);
  }

  /** The newest that come after an entry, the newest first. An `after` that is not yet there is of a former process: all do. */
  newest(after: number, limit: number): readonly TailEntry[] {
    const from = after > this.#lastId ? 0 : after;
    const kept = this.#entries.slice(-KEPT);
    return kept
      .filter(({ id }) => id > from)
      .slice(-limit)
      .reverse();
  }
}
