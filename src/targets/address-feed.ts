import type { AddressPush, CaddyApi } from "../caddy/caddy-api.ts";
import type { InstanceResolver, ResolverChange } from "../resolver/instance-resolver.ts";
import { serviceKey } from "../resolver/service-index.ts";
import { Feed, type FeedOptions } from "./feed.ts";

export interface AddressFeedOptions extends FeedOptions {
  readonly api: Pick<CaddyApi, "pushAddresses">;
  readonly resolver: Pick<InstanceResolver, "list" | "resolve" | "watch">;
}

interface Batch {
  readonly names: readonly string[];
  /** Everything is told, and every address that is in use looked up again. */
  readonly all: boolean;
}

/** Changed names of one push; of more than these everything is told. */
const MAX_NAMES = 2_000;
/** Instances of one push when everything is told: none of them keeps Caddy or this process busy for long. */
const INSTANCES_AT_ONCE = 2_000;

/**
 * Tells Caddy of every changed address at once, so that it may keep answers for longer than a DNS TTL and a moved
 * instance is reached by the next request; and of all addresses when Caddy starts, so that it can do without the DNS
 * for a while.
 */
export class AddressFeed extends Feed<Batch> {
  readonly #options: AddressFeedOptions;
  readonly #names = new Set<string>();
  #all = false;

  constructor(options: AddressFeedOptions) {
    super("an address change", options);
    this.#options = options;
  }

  flush(): void {
    this.#note({ all: true });
  }

  protected follow(): readonly (() => void)[] {
    // A Caddy that ran before may know what is no longer so.
    this.flush();
    return [this.#options.resolver.watch((change) => this.#note(change))];
  }

  protected hasNews(): boolean {
    return this.#all || this.#names.size > 0;
  }

  protected take(): Batch {
    const batch = { names: [...this.#names], all: this.#all };
    this.#names.clear();
    this.#all = false;
    return batch;
  }

  protected putBack({ names, all }: Batch): void {
    for (const name of names) this.#names.add(name);
    this.#all ||= all;
  }

  protected async push({ names, all }: Batch): Promise<void> {
    if (all) await this.#pushAll();
    else await this.#options.api.pushAddresses(this.#pushOf(names));
  }

  /** In parts, each as things are when it is sent; what changes meanwhile is told afterwards. */
  async #pushAll(): Promise<void> {
    const { api, resolver } = this.#options;
    const instances = resolver.list();
    for (let from = 0; from === 0 || from < instances.length; from += INSTANCES_AT_ONCE) {
      // Everything is to be told again: the rest of this would be for nothing.
      if (this.#all) return;
      const part = instances.slice(from, from + INSTANCES_AT_ONCE);
      const names = part.flatMap((instance) =>
        [instance.name, instance.id, serviceKey(instance) ?? []].flat(),
      );
      const known: { [name: string]: readonly string[] } = {};
      for (const name of new Set(names)) {
        const resolution = resolver.resolve(name);
        if (resolution.kind === "addresses") known[name.toLowerCase()] = resolution.addresses;
      }
      await api.pushAddresses(from === 0 ? { reset: true, flush: true, known } : { known });
    }
  }

  #note(change: ResolverChange): void {
    if ("all" in change) this.#all = true;
    else for (const name of change.names) this.#names.add(name);
    if (this.#names.size > MAX_NAMES) this.#all = true;
    if (this.#all) this.#names.clear();
    this.notify();
  }

  #pushOf(names: readonly string[]): AddressPush {
    const told: { [name: string]: NonNullable<AddressPush["names"]>[string] } = {};
    let unsaid = false;
    for (const name of names) {
      const resolution = this.#options.resolver.resolve(name);
      if (resolution.kind === "unavailable") unsaid = true;
      else
        told[name] = {
          addresses: resolution.kind === "addresses" ? resolution.addresses : [],
          ...(resolution.kind === "unknown" ? { unknown: true } : {}),
        };
    }
    return { ...(unsaid ? { flush: true } : {}), names: told };
  }
}
