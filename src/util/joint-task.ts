/** A task that is run once for all who asked before it began, and never twice at a time. */
export class JointTask<R> {
  readonly #task: () => Promise<R>;
  #present: Promise<unknown> = Promise.resolve();
  #next: Promise<R> | undefined;

  constructor(task: () => Promise<R>) {
    this.#task = task;
  }

  /** Resolves or rejects as a run does that begins after the call. */
  run(): Promise<R> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#present.then(() => {
      this.#next = undefined;
      return this.#task();
    });
    this.#next = next;
    this.#present = next.catch(() => undefined);
    return next;
  }
}
