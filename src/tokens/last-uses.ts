/** When tokens were last used: known at once, written now and then, never on the way of a call. */
export class LastUses {
  readonly #everyMs: number;
  readonly #write: () => Promise<void>;
  readonly #uses = new Map<string, number>();
  readonly #unwritten = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(everyMs: number, write: () => Promise<void>) {
    this.#everyMs = everyMs;
    this.#write = write;
  }

  note(id: string, atMs: number): void {
    this.#uses.set(id, atMs);
    this.#unwritten.add(id);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, this.#everyMs);
    this.#timer.unref();
  }

  /** The last use since the start, in milliseconds since 1970. */
  of(id: string): number | undefined {
    return this.#uses.get(id);
  }

  /** What is to be written now. */
  unwritten(): readonly { readonly id: string; readonly atMs: number }[] {
    const uses = [...this.#unwritten].flatMap((id) => {
      const atMs = this.#uses.get(id);
      return atMs === undefined ? [] : { id, atMs };
    });
    this.#unwritten.clear();
    return uses;
  }

  forget(id: string): void {
    this.#uses.delete(id);
    this.#unwritten.delete(id);
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#write();
  }
}
