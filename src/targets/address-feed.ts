import type { AddressPush, CaddyApi } from "../caddy/caddy-api.ts";
import type { InstanceResolver, ResolverChange } from "../resolver/instance-resolver.ts";
import { Feed, type FeedOptions } from "./feed.ts";

export interface AddressFeedOptions extends FeedOptions {
  readonly api: Pick<CaddyApi, "pushAddresses">;
  readonly resolver: Pick<InstanceResolver, "resolve" | "watch">;
  /** How long Caddy may keep a pushed address before it asks DNS. Default 60 s. */
  readonly ttlSeconds?: number;
}

interface Batch {
  readonly names: readonly string[];
  /** Every address is looked up again. */
  readonly flush: boolean;
}

/** Names of one push; more of them go as a flush, which is smaller and has Caddy ask only for what it uses. */
const MAX_NAMES = 2_000;

/**
 * Tells Caddy of every changed address at once, so that it may keep answers for longer than a DNS TTL and a moved
 * instance is reached by the next request.
 */
export class AddressFeed extends Feed<Batch> {
  readonly #options: AddressFeedOptions;
  readonly #names = new Set<string>();
  #flush = false;

  constructor(options: AddressFeedOptions) {
    super("an address change", options);
    this.#options = options;
  }

  flush(): void {
    this.#note({ all: true });
  }

  protected follow(): readonly (() => void)[] {
    return [this.#options.resolver.watch((change) => this.#note(change))];
  }

  protected hasNews(): boolean {
    return this.#flush || this.#names.size > 0;
  }

  protected take(): Batch {
    const batch = { names: [...this.#names], flush: this.#flush };
    this.#names.clear();
    this.#flush = false;
    return batch;
  }

  protected putBack({ names, flush }: Batch): void {
    for (const name of names) this.#names.add(name);
    this.#flush ||= flush;
  }

  protected push({ names, flush }: Batch): Promise<void> {
    return this.#options.api.pushAddresses(this.#pushOf(names, flush));
  }

  #note(change: ResolverChange): void {
    if ("all" in change) this.#flush = true;
    else for (const name of change.names) this.#names.add(name);
    if (this.#names.size > MAX_NAMES) this.#flush = true;
    if (this.#flush) this.#names.clear();
    this.notify();
  }

  #pushOf(names: readonly string[], flush: boolean): AddressPush {
    const ttl_seconds = this.#options.ttlSeconds ?? 60;
    const told: { [name: string]: NonNullable<AddressPush["names"]>[string] } = {};
    let unsaid = false;
    for (const name of names) {
      const resolution = this.#options.resolver.resolve(name);
      if (resolution.kind === "unavailable") unsaid = true;
      else
        told[name] = {
          addresses: resolution.kind === "addresses" ? resolution.addresses : [],
          ttl_seconds,
          ...(resolution.kind === "unknown" ? { unknown: true } : {}),
        };
    }
    return { ...(flush || unsaid ? { flush: true } : {}), names: told };
  }
}
