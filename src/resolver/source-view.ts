import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Instance, InstanceState } from "../model/api.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import { backoffMs } from "../util/backoff.ts";
import { type Track, untracked } from "../util/track.ts";
import { ChangeListeners } from "./change-listeners.ts";
import { type InstanceChange, instanceEvents } from "./instance-events.ts";
import { InstanceIndex } from "./instance-index.ts";
import type { InstanceResolver, Reference, Resolution, ResolverChange } from "./instance-resolver.ts";

/** How a followed source does. */
export interface SourceStatus {
  /** `starting`: no answer yet; `failing`: the last known list is served; `expired`: it is too old to be served. */
  readonly state: "starting" | "ok" | "failing" | "expired";
  readonly instances: number;
  /** RFC 3339; absent before the first success. */
  readonly lastSuccessAt?: string;
  /** Why the last attempt failed; absent after a success. Never holds a credential. */
  readonly lastError?: string;
}

/** How a source is followed. */
export interface SourceOptions {
  /** Names it in messages: `hypeman`, `instance file`. */
  readonly source: string;
  /** Time from the end of one fetch to the next. */
  readonly intervalMs: number;
  /** Each failure doubles that time up to this one. Default: it does not. */
  readonly longestIntervalMs?: number;
  /** Shortest time between two fetches that unknown references cause. Default: none. */
  readonly askAgainMs?: number;
  /** How long the last known list is served while fetches fail. Default: for ever. */
  readonly staleMs?: number;
  /** Runs each fetch. Default: nothing is noted. */
  readonly track?: Track<"fetch"> | undefined;
  /** Hears what happens to the source and its instances. Default: nobody does. */
  readonly events?: EventSink | undefined;
  readonly logger: Logger;
}

/**
 * A source that somebody else writes (a hypeman, a file): its last known list, which is fetched again and again, and
 * what may be said from it. Known names keep their last address while the source fails (RFC 8767); an unknown name is
 * `unknown` only as long as the source answers, since a failing one may have it by now.
 */
export abstract class SourceView implements InstanceResolver {
  readonly #index = new InstanceIndex((changes) => this.#note(changes));
  readonly #listeners: ChangeListeners;
  readonly #options: SourceOptions;
  protected readonly logger: Logger;
  readonly #closing = new AbortController();
  /** Aborted when the source is closed. */
  protected readonly closed = this.#closing.signal;
  #running: Promise<void> = Promise.resolve();
  #fetching: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #state: SourceStatus["state"] = "starting";
  #lastSuccessAt: number | undefined;
  #lastError: string | undefined;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.logger = options.logger;
    this.#listeners = new ChangeListeners(options.logger);
  }

  /** Reads the whole list; undefined: it is the one fetched last. Throws an Error that says why it cannot be had. */
  protected abstract fetch(): Promise<readonly Instance[] | undefined>;

  /** Returns after the first fetch; one that fails is reported by `status()`, not thrown. */
  async start(): Promise<void> {
    await this.#fetchOnce();
    this.#running = this.#follow();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await Promise.all([this.#fetching, this.#next]);
    this.#listeners.clear();
  }

  async #follow(): Promise<void> {
    const { intervalMs, longestIntervalMs = intervalMs } = this.#options;
    while (!this.closed.aborted) {
      await this.#pause(backoffMs(intervalMs, this.#failures, longestIntervalMs));
      if (!this.closed.aborted) await this.#fetchOnce();
    }
  }

  /**
   * Waits for a fetch that begins from now on: one that is already under way may have been read before the instance was
   * made. All who wait meanwhile share it. Never throws.
   */
  protected refetch(): Promise<void> {
    this.#next ??= (async () => {
      await this.#fetching;
      await this.#pause(this.#fetchedAt + (this.#options.askAgainMs ?? 0) - performance.now());
      this.#next = undefined;
      if (!this.closed.aborted) await this.#fetchOnce();
    })();
    return this.#next;
  }

  /** One at a time; whoever comes meanwhile waits for the same. Never throws. */
  #fetchOnce(): Promise<void> {
    this.#fetching ??= this.#update().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #update(): Promise<void> {
    this.#fetchedAt = performance.now();
    try {
      const { track = untracked } = this.#options;
      const instances = await track("fetch", () => this.fetch());
      const names = instances === undefined ? [] : this.#index.replace(instances);
      if (!this.#succeed() && names.length > 0) this.#listeners.tell({ names });
    } catch (error) {
      if (!this.closed.aborted) this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** Whether every answer changed with this success, which the listeners then know. */
  #succeed(): boolean {
    const before = this.#state;
    this.#state = "ok";
    this.#failures = 0;
    this.#lastSuccessAt = performance.now();
    this.#lastError = undefined;
    if (before !== "ok") {
      const { source } = this.#options;
      this.logger.info(`${source} answers`, { instances: this.#index.size });
      const message = `${source} answers, and has ${this.#index.size} instances`;
      this.#events.emit({ type: "source.answering", message, data: { instances: this.#index.size } });
    }
    if (before === "ok" || before === "failing") return false;
    this.#listeners.tell({ all: true });
    return true;
  }

  /** Known names stay, for at most `staleMs` since the last success. */
  #fail(reason: string): void {
    const { source, staleMs = Number.POSITIVE_INFINITY } = this.#options;
    this.#failures = Math.min(this.#failures + 1, 16);
    if (reason !== this.#lastError) {
      this.logger.warn(`${source} fails`, { reason });
      this.#events.emit({ type: "source.failing", message: `${source} fails: ${reason}`, data: { reason } });
    }
    this.#lastError = reason;
    if (this.#lastSuccessAt === undefined || this.#state === "expired") return;
    this.#state = "failing";
    if (performance.now() - this.#lastSuccessAt < staleMs) return;
    this.#state = "expired";
    this.logger.error(`the last known instances are too old to be served`, { source });
    this.#listeners.tell({ all: true });
  }

  get #events(): EventSink {
    return this.#options.events ?? noEvents;
  }

  /** What the first list has was there before. */
  #note(changes: readonly InstanceChange[]): void {
    if (this.#lastSuccessAt === undefined) return;
    for (const event of instanceEvents(changes)) this.#events.emit(event);
  }

  resolve(name: string): Resolution {
    if (this.#state === "ok") return this.#index.resolve(name);
    if (this.#state !== "failing") return this.#unavailable();
    const known = this.#index.resolve(name);
    return known.kind === "unknown" ? this.#unavailable() : known;
  }

  async reference(reference: string): Promise<Reference> {
    const known = this.#reference(reference);
    if (known.kind !== "unknown" && known.kind !== "unavailable") return known;
    await this.refetch();
    return this.#reference(reference);
  }

  #reference(reference: string): Reference {
    if (this.#state === "ok") return this.#index.reference(reference);
    if (this.#state !== "failing") return this.#unavailable();
    const known = this.#index.reference(reference);
    return known.kind === "unknown" ? this.#unavailable() : known;
  }

  /** The instance with exactly this id or name; undefined when there is none, or more than one. */
  protected exact(name: string): Instance | undefined {
    const [named, ...more] = this.#index.named(name);
    return this.#index.get(name) ?? (more.length === 0 ? named : undefined);
  }

  list(): readonly Instance[] {
    return this.#index.list();
  }

  states(): ReadonlyMap<InstanceState, number> {
    return this.#index.states;
  }

  watch(listener: (change: ResolverChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  status(): SourceStatus {
    return {
      state: this.#state,
      instances: this.#index.size,
      ...(this.#lastSuccessAt === undefined
        ? {}
        : { lastSuccessAt: new Date(performance.timeOrigin + this.#lastSuccessAt).toISOString() }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  /** Waits, or until the source is closed. */
  async #pause(ms: number): Promise<void> {
    if (ms > 0) await delay(ms, undefined, { signal: this.closed, ref: false }).catch(() => undefined);
  }

  #unavailable(): { readonly kind: "unavailable"; readonly reason: string } {
    const why = this.#lastError === undefined ? "has not answered yet" : `fails: ${this.#lastError}`;
    return { kind: "unavailable", reason: `${this.#options.source} ${why}` };
  }
}
