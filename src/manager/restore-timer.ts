import { backoffMs } from "../util/backoff.ts";

/** Wait after a batch before what is no longer needed is taken out of Caddy; batches in a row share one reload. */
const TIDY_DELAY_MS = 100;
/** How often a reload that would disturb orders of certificates looks whether they are done. */
const HOLD_MS = 1_000;
/** How long it lets itself be held up. A DNS record takes a minute or so to be seen. */
const MAX_HOLD_MS = 60_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

export interface RestoreTimerOptions {
  readonly restore: () => void;
  /** Whether it should rather wait; asked when it is due, and heeded for a minute at most. */
  readonly isHeldUp: () => boolean;
}

/** When Caddy is brought to the stored state the next time, outside of batches. */
export class RestoreTimer {
  readonly #options: RestoreTimerOptions;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #heldSince: number | undefined;
  #stopped = false;

  constructor(options: RestoreTimerOptions) {
    this.#options = options;
  }

  /** Soon; several calls make one. */
  soon(): void {
    this.#after(TIDY_DELAY_MS);
  }

  /** At once, even where a later attempt is due with the wait that failures have earned. */
  now(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#after(0);
  }

  /** An attempt failed: the next one comes after a wait that doubles up to 30 s. */
  afterFailure(): void {
    this.#after(backoffMs(FIRST_RETRY_MS, this.#failures, MAX_RETRY_MS));
    this.#failures += 1;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #after(delayMs: number): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#waits()) this.#after(HOLD_MS);
      else this.#options.restore();
    }, delayMs);
    this.#timer.unref();
  }

  #waits(): boolean {
    if (!this.#options.isHeldUp()) {
      this.#heldSince = undefined;
      return false;
    }
    const now = performance.now();
    this.#heldSince ??= now;
    return now - this.#heldSince < MAX_HOLD_MS;
  }
}
