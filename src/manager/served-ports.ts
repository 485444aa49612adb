import { isOwn, type Listener, listenerKey } from "../compiler/listeners.ts";
import type { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { SerialQueue } from "../util/serial-queue.ts";

export interface ServedPortsOptions {
  /** Resolves when a listener can be bound. Throws `port_in_use` or `port_not_permitted`. */
  readonly probe: (listener: Listener) => Promise<void>;
  readonly logger: Logger;
}

/** Which ports can be served: one port of many that Caddy could not bind would fail them all. */
export class ServedPorts {
  readonly #options: ServedPortsOptions;
  /** Listeners of our Caddy, by `listenerKey`. */
  #own: ReadonlySet<string> = new Set();
  #leftOut: ReadonlyMap<number, GatewrightError> = new Map();
  /** One after the other: two probes of one port would each take the other for another process. */
  readonly #probes = new SerialQueue();

  constructor(options: ServedPortsOptions) {
    this.#options = options;
  }

  /** Ports that could not be bound when Caddy started, with the reason. Their rows wait. */
  get leftOut(): ReadonlyMap<number, GatewrightError> {
    return this.#leftOut;
  }

  /** Says which sockets our running Caddy has, so that they are not taken for another process's. */
  adopt(listeners: readonly Listener[]): void {
    this.#own = new Set(listeners.map(listenerKey));
  }

  /** Probes every listener and leaves out the ports that cannot be bound. Returns whether that changed. */
  async survey(listeners: readonly Listener[]): Promise<boolean> {
    const before = [...this.#leftOut.keys()].join();
    const leftOut = new Map<number, GatewrightError>();
    for (const listener of listeners) {
      await this.#probe(listener).catch((error: GatewrightError) => leftOut.set(listener.port, error));
    }
    // At once: a batch that renders meanwhile sees the ports as they were or as they are.
    this.#leftOut = leftOut;
    const changed = [...leftOut.keys()].join() !== before;
    if (changed) this.#report();
    return changed;
  }

  /** Throws when one of the listeners cannot be bound, but for those that are left out already. */
  async demand(listeners: readonly Listener[]): Promise<void> {
    for (const listener of listeners) if (!this.#leftOut.has(listener.port)) await this.#probe(listener);
  }

  #probe(listener: Listener): Promise<void> {
    return this.#probes.run(async () => {
      if (!isOwn(listener, this.#own)) await this.#options.probe(listener);
    });
  }

  #report(): void {
    const { logger } = this.#options;
    for (const [port, error] of this.#leftOut) {
      logger.error("a port cannot be served; its rules wait and the rest is served", {
        port,
        reason: error.message,
      });
    }
    if (this.#leftOut.size === 0) logger.info("every port can be served");
  }
}
