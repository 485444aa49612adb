export interface SamplerOptions {
  /** How many of one key are let through in a span. */
  readonly mostOfKey: number;
  /** How many of all keys together are. */
  readonly most: number;
  readonly spanMs: number;
  /** Keys that are told apart in a span; all others count as one. Default 1,000. */
  readonly keys?: number;
  /** Default: the process's clock. */
  readonly nowMs?: () => number;
}

/** Lets the first so many of each key through in a span of time, and counts the others. */
export class Sampler {
  readonly #options: SamplerOptions;
  readonly #taken = new Map<string, number>();
  #all = 0;
  #leftOut = 0;
  #since = Number.NEGATIVE_INFINITY;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** How many, of any key, were left out since the last one that was let through. Undefined: this one is left out too. */
  take(key: string): number | undefined {
    const { mostOfKey, most, keys = 1_000, spanMs, nowMs = () => performance.now() } = this.#options;
    const now = nowMs();
    if (now - this.#since >= spanMs) {
      this.#since = now;
      this.#taken.clear();
      this.#all = 0;
    }
    const counted = this.#taken.has(key) || this.#taken.size < keys ? key : "";
    const taken = this.#taken.get(counted) ?? 0;
    if (taken >= mostOfKey || this.#all >= most) {
      this.#leftOut += 1;
      return undefined;
    }
    this.#taken.set(counted, taken + 1);
    this.#all += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}
