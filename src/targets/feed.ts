import type { Logger } from "../log.ts";
import { backoffMs } from "../util/backoff.ts";

export interface FeedOptions {
  readonly logger: Logger;
  /** First wait after a failed push; doubles up to 30 s. Default 100 ms. */
  readonly retryMs?: number;
}

const MAX_RETRY_MS = 30_000;

/**
 * Tells Caddy what changed, one push at a time. Each entry of a push is whole, so that it may be sent twice; one that
 * fails is sent again, with what changed meanwhile. A feed says what there is to tell, and how it is pushed.
 */
export abstract class Feed<Batch> {
  readonly #logger: Logger;
  readonly #retryMs: number;
  /** What did not arrive, in words for the log: `an address change`. */
  readonly #what: string;
  #stopped = false;
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #lastError: unknown;
  #stops: readonly (() => void)[] = [];

  constructor(what: string, { logger, retryMs = 100 }: FeedOptions) {
    this.#what = what;
    this.#logger = logger;
    this.#retryMs = retryMs;
  }

  start(): void {
    this.#stops = this.follow();
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
  }

  /** Tells Caddy everything again, after a time in which it may have lost it. */
  abstract flush(): void;

  /** Resolves when Caddy knows all changes so far; rejects with why it does not. */
  async delivered(): Promise<void> {
    while (this.hasNews() || this.#sending !== undefined) {
      if (this.#sending === undefined) throw this.#lastError ?? new Error("the feed is stopped");
      await this.#sending;
    }
  }

  /** Begins to call `notify` at changes; answers what ends that. */
  protected abstract follow(): readonly (() => void)[];
  protected abstract hasNews(): boolean;
  /** What there is to tell; afterwards there is nothing. */
  protected abstract take(): Batch;
  /** The batch did not arrive: what it was made of is to be told again. */
  protected abstract putBack(batch: Batch): void;
  protected abstract push(batch: Batch): Promise<void>;

  /** There may be something to tell. */
  protected notify(): void {
    if (this.#stopped || this.#timer !== undefined || this.#sending !== undefined || !this.hasNews()) return;
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined;
      // What came after the last look.
      this.notify();
    });
  }

  async #sendAll(): Promise<void> {
    while (this.hasNews() && !this.#stopped) {
      const batch = this.take();
      try {
        await this.push(batch);
        this.#failures = 0;
      } catch (error) {
        this.#retryLater(batch, error);
        return;
      }
    }
  }

  #retryLater(batch: Batch, error: unknown): void {
    this.#lastError = error;
    this.putBack(batch);
    if (this.#stopped) return;
    const wait = backoffMs(this.#retryMs, this.#failures, MAX_RETRY_MS);
    this.#failures += 1;
    if (this.#failures === 1) this.#logger.warn(`${this.#what} did not reach caddy; trying again`, { error });
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.notify();
    }, wait);
    this.#timer.unref();
  }
}
