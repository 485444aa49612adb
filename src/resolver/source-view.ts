import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Instance } from "../model/api.ts";
import { ChangeListeners } from "./change-listeners.ts";
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

/**
 * A source that somebody else writes (a hypeman, a file): its last known list, and what may be said from it. A source
 * adds how its list is fetched, and tells what came of that by `accept`, `confirm` and `fail`.
 * Known names keep their last address while the source fails (RFC 8767); an unknown name is `unknown` only as long as
 * the source answers, since a failing one may have it by now.
 */
export abstract class SourceView implements InstanceResolver {
  readonly #index = new InstanceIndex();
  readonly #listeners: ChangeListeners;
  readonly #source: string;
  protected readonly logger: Logger;
  /** Aborted when the source is closed. */
  protected readonly closing = new AbortController();
  #state: SourceStatus["state"] = "starting";
  #lastSuccessAt: number | undefined;
  #lastError: string | undefined;

  /** `source` names it in messages: `hypeman`, `instance file`. */
  constructor(source: string, logger: Logger) {
    this.#source = source;
    this.logger = logger;
    this.#listeners = new ChangeListeners(logger);
  }

  /** Returns after the first attempt; one that fails is reported by `status()`, not thrown. */
  abstract start(): Promise<void>;

  /** Fetches the list once, beginning from now. Never throws. */
  protected abstract fetch(): Promise<void>;

  /** The source answered with this list. */
  protected accept(instances: readonly Instance[]): void {
    const names = this.#index.replace(instances);
    if (!this.#succeed()) this.#listeners.tell({ names });
  }

  /** The source answered with the list accepted last. */
  protected confirm(): void {
    this.#succeed();
  }

  /** Whether every answer changed with this success, which the listeners then know. */
  #succeed(): boolean {
    const before = this.#state;
    this.#state = "ok";
    this.#lastSuccessAt = performance.now();
    this.#lastError = undefined;
    if (before !== "ok") this.logger.info(`${this.#source} answers`, { instances: this.#index.size });
    if (before === "ok" || before === "failing") return false;
    this.#listeners.tell({ all: true });
    return true;
  }

  /** The source failed; known names stay, for at most `staleMs` since the last success. */
  protected fail(reason: string, staleMs: number): void {
    if (reason !== this.#lastError) this.logger.warn(`${this.#source} fails`, { reason });
    this.#lastError = reason;
    if (this.#lastSuccessAt === undefined || this.#state === "expired") return;
    this.#state = "failing";
    if (performance.now() - this.#lastSuccessAt < staleMs) return;
    this.#state = "expired";
    this.logger.error(`the last known instances are too old to be served`, { source: this.#source });
    this.#listeners.tell({ all: true });
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
    await this.fetch();
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

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  /** Waits, or until the source is closed. */
  protected async pause(ms: number): Promise<void> {
    if (ms > 0)
      await delay(ms, undefined, { signal: this.closing.signal, ref: false }).catch(() => undefined);
  }

  #unavailable(): { readonly kind: "unavailable"; readonly reason: string } {
    const why = this.#lastError === undefined ? "has not answered yet" : `fails: ${this.#lastError}`;
    return { kind: "unavailable", reason: `${this.#source} ${why}` };
  }
}
