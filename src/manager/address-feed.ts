import type { AddressPush, CaddyApi } from "../caddy/caddy-api.ts";
import type { Logger } from "../log.ts";
import type { InstanceResolver, ResolverChange } from "../resolver/instance-resolver.ts";

export interface AddressFeedOptions {
  readonly api: Pick<CaddyApi, "pushAddresses">;
  readonly resolver: Pick<InstanceResolver, "resolve" | "watch">;
  readonly logger: Logger;
  /** How long Caddy may keep a pushed address before it asks DNS. Default 60 s. */
  readonly ttlSeconds?: number;
  /** First wait after a failed push; doubles up to 30 s. Default 100 ms. */
  readonly retryMs?: number;
}

const MAX_RETRY_MS = 30_000;
/** Names of one push; more of them go as a flush, which is smaller and has Caddy ask only for what it uses. */
const MAX_NAMES = 2_000;

/**
 * Tells Caddy of every changed address at once, so that it may keep answers for longer than a DNS TTL and a moved
 * instance is reached by the next request. A push that fails is sent again, later changes included.
 */
export class AddressFeed {
  readonly #options: AddressFeedOptions;
  readonly #pending = new Set<string>();
  #flush = false;
  #sending = false;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;
  #unwatch: () => void = () => undefined;

  constructor(options: AddressFeedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unwatch = this.#options.resolver.watch((change) => this.#note(change));
  }

  /** Has Caddy ask for every address anew, after a time in which pushes may have been lost. */
  flush(): void {
    this.#note({ all: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch();
    clearTimeout(this.#timer);
    this.#pending.clear();
    this.#flush = false;
  }

  #note(change: ResolverChange): void {
    if ("all" in change) this.#flush = true;
    else for (const name of change.names) this.#pending.add(name);
    if (this.#pending.size > MAX_NAMES) this.#flush = true;
    if (this.#flush) this.#pending.clear();
    void this.#send();
  }

  async #send(): Promise<void> {
    if (this.#sending || this.#timer !== undefined) return;
    this.#sending = true;
    while (this.#flush || this.#pending.size > 0) {
      const names = [...this.#pending];
      const flush = this.#flush;
      this.#pending.clear();
      this.#flush = false;
      try {
        await this.#options.api.pushAddresses(this.#pushOf(names, flush));
        this.#failures = 0;
      } catch (error) {
        for (const name of names) this.#pending.add(name);
        this.#flush ||= flush;
        this.#retryLater(error);
        break;
      }
    }
    this.#sending = false;
  }

  #pushOf(names: readonly string[], flush: boolean): AddressPush {
    const ttl_seconds = this.#options.ttlSeconds ?? 60;
    const known: { [name: string]: { addresses: readonly string[]; ttl_seconds: number } } = {};
    let unknown = false;
    for (const name of names) {
      const resolution = this.#options.resolver.resolve(name);
      if (resolution.kind === "unavailable") unknown = true;
      else
        known[name] = { addresses: resolution.kind === "addresses" ? resolution.addresses : [], ttl_seconds };
    }
    return { ...(flush || unknown ? { flush: true } : {}), names: known };
  }

  #retryLater(error: unknown): void {
    if (this.#stopped) return;
    const wait = Math.min((this.#options.retryMs ?? 100) * 2 ** this.#failures, MAX_RETRY_MS);
    this.#failures += 1;
    if (this.#failures === 1)
      this.#options.logger.warn("an address change did not reach caddy; trying again", { error });
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#send();
    }, wait);
    this.#timer.unref();
  }
}
