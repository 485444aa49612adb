import { GatewrightError } from "../errors.ts";

/** Lets changes through, many at a time, or one that must be alone. */
export class ChangeGate {
  #running = 0;
  #isTaken = false;
  #whenEmpty: (() => void) | undefined;

  /** Runs a change. Throws `import_under_way` while one is alone. */
  async pass<T>(change: () => Promise<T>): Promise<T> {
    this.check();
    this.#running += 1;
    try {
      return await change();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#whenEmpty?.();
    }
  }

  /** Runs a change when those under way have ended, and lets no other one begin. Throws `import_under_way`. */
  async alone<T>(change: () => Promise<T>): Promise<T> {
    this.check();
    this.#isTaken = true;
    try {
      if (this.#running > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve));
      return await change();
    } finally {
      this.#isTaken = false;
      this.#whenEmpty = undefined;
    }
  }

  /** Throws `import_under_way` while a change is alone. */
  check(): void {
    if (!this.#isTaken) return;
    throw new GatewrightError(
      "import_under_way",
      "an archive is being imported; nothing was changed. Try again when that is done.",
    );
  }
}
