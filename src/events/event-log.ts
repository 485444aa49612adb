import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { EventDraft, EventSink } from "../model/event.ts";
import { Ring } from "../util/ring.ts";
import { Sampler } from "../util/sampler.ts";
import { Watchers } from "../util/watchers.ts";
import { changeLines } from "./change-lines.ts";
import { EventFile } from "./event-file.ts";
import { KeptEvent } from "./kept-event.ts";

export interface EventLogOptions {
  /** Where the events are kept; must exist. */
  readonly folder: string;
  readonly logger: Logger;
  /** How many of the last events can be read. Default 10,000. */
  readonly capacity?: number;
  /** How long a disk that took nothing is left alone. Default 5,000. */
  readonly retryMs?: number;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** What those who read events see of the log. */
export type EventReader = Pick<EventLog, "after" | "newest" | "lastId" | "droppedId" | "watch">;

/** Events that go to the disk in one write. */
const BATCH = 1_000;
/** What is emitted in this time goes together; so much is lost when the process is killed. */
const FLUSH_MS = 20;
/** Of events that nobody asked for: a host that fails takes thousands of targets with it. */
const MOST_OF_TYPE_A_MINUTE = 1_000;
const LONGEST_MESSAGE = 1_000;

/**
 * The last events, in memory and on disk. Emitting costs a place in memory and no wait: the disk is written behind, and
 * one that takes nothing loses events, never a change.
 */
export class EventLog implements EventSink {
  readonly #options: EventLogOptions;
  readonly #ring: Ring<KeptEvent>;
  readonly #file: EventFile;
  readonly #lines: EventSink;
  readonly #watchers = new Watchers();
  readonly #sampler = new Map<string, Sampler>();
  readonly #closing = new AbortController();
  #nextId = 1;
  #writtenId = 0;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(options: EventLogOptions) {
    const { capacity = 10_000, folder, logger } = options;
    this.#options = options;
    this.#ring = new Ring(capacity);
    this.#file = new EventFile({ folder, events: capacity });
    this.#lines = changeLines(logger);
  }

  /** Reads what was kept. A file that cannot be read is reported, and the log begins empty. */
  async open(): Promise<void> {
    const { logger, now = () => new Date() } = this.#options;
    try {
      const { events, damaged, isWhole } = await this.#file.read();
      const [first] = events;
      if (first !== undefined && !isWhole) this.#ring.begin(first.id - 1);
      for (const event of events) this.#ring.push(event);
      if (damaged > 0) logger.warn("lines of the event log are damaged and left out", { damaged });
    } catch (error) {
      logger.warn("the event log cannot be read; it begins empty", { error });
    }
    // What was emitted and not written before a crash has ids too, which somebody may have seen. No process emits an event each
    // microsecond, so that time is beyond them all.
    this.#nextId = Math.max(this.#ring.lastId + 1, now().getTime() * 1_000);
    this.#writtenId = this.#nextId - 1;
  }

  emit(draft: EventDraft): void {
    const event = this.#admitted(draft);
    if (event === undefined) return;
    this.#lines.emit(event);
    // What strangers try is no history: they could push everything else out of it.
    if (event.data?.["code"] === "Unauthorized") return;
    const time = (this.#options.now?.() ?? new Date()).toISOString();
    const message = event.message.slice(0, LONGEST_MESSAGE);
    this.#ring.push(KeptEvent.of({ id: this.#nextId++, time, ...event, message }));
    this.#writing ??= this.#write();
    this.#watchers.tell();
  }

  /** The id of the newest event; 0 while there is none. */
  get lastId(): number {
    return this.#ring.lastId;
  }

  /** Events that follow an id, the oldest first, at most so many. */
  after(id: number, most: number): readonly KeptEvent[] {
    return this.#ring.after(id, most);
  }

  newest(): Iterable<KeptEvent> {
    return this.#ring.newest();
  }

  /** The id of the last event that cannot be read any more; 0 while all can. */
  get droppedId(): number {
    return this.#ring.droppedId;
  }

  /** Calls back after new events, once for those that come together. */
  watch(listener: () => void): () => void {
    return this.#watchers.add(listener);
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
    await this.#flush().catch(() => undefined);
  }

  /** The event, with the number of those of its type that were left out before it; undefined for one that is left out. */
  #admitted(event: EventDraft): EventDraft | undefined {
    if (event.actor !== undefined) return event;
    const sampler =
      this.#sampler.get(event.type) ??
      new Sampler({ mostOfKey: MOST_OF_TYPE_A_MINUTE, most: MOST_OF_TYPE_A_MINUTE, spanMs: 60_000 });
    this.#sampler.set(event.type, sampler);
    const unreported = sampler.take("");
    if (unreported === undefined) return undefined;
    return unreported === 0 ? event : { ...event, data: { ...event.data, unreported } };
  }

  async #write(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted && this.#writtenId < this.#ring.lastId) {
      const { retryMs = 5_000 } = this.#options;
      await delay(this.#hasFailed ? retryMs : FLUSH_MS, undefined, { signal, ref: false }).catch(
        () => undefined,
      );
      await this.#flush().catch((error: unknown) => this.#fail(error));
    }
    this.#writing = undefined;
  }

  async #flush(): Promise<void> {
    for (;;) {
      const batch = this.#ring.after(this.#writtenId, BATCH);
      const last = batch.at(-1);
      if (last === undefined) return;
      await this.#file.append(batch);
      this.#writtenId = last.id;
      if (this.#hasFailed) this.#options.logger.info("the event log is written again");
      this.#hasFailed = false;
    }
  }

  #fail(error: unknown): void {
    if (!this.#hasFailed)
      this.#options.logger.warn("the event log cannot be written; events are kept in memory alone", {
        error,
      });
    this.#hasFailed = true;
  }
}
