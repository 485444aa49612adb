import { backoffMs } from "../util/backoff.ts";

/** Wait after a batch before what is no longer needed is taken out of Caddy; batches in a row share one reload. */
const TIDY_DELAY_MS = 100;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

/** When Caddy is brought to the stored state the next time, outside of batches. */
export class RestoreTimer {
  readonly #restore: () => void;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;

  constructor(restore: () => void) {
    this.#restore = restore;
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
      this.#restore();
    }, delayMs);
    this.#timer.unref();
  }
}
