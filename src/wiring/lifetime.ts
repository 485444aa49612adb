/** A part that has to be ended. */
type Part = { close(): unknown } | { stop(): unknown };

/** Parts that were started one after another, which end in the reverse order. */
export class Lifetime implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;

  constructor(stack = new AsyncDisposableStack()) {
    this.#stack = stack;
  }

  /** Takes a part that has been started, and returns it. Undefined is a part that is not there. */
  add<Added extends Part | undefined>(part: Added): Added {
    if (part !== undefined)
      this.#stack.defer(async () => void (await ("close" in part ? part.close() : part.stop())));
    return part;
  }

  /** The same parts in another lifetime; this one has none any more. */
  move(): Lifetime {
    return new Lifetime(this.#stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
