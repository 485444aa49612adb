import { isOwn, type Listener, listenerKey } from "../compiler/listeners.ts";
import type { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import { SerialQueue } from "../util/serial-queue.ts";

export interface ServedPortsOptions {
  /** Resolves when a listener can be bound. Throws `port_in_use` or `port_not_permitted`. */
  readonly probe: (listener: Listener) => Promise<void>;
  readonly logger: Logger;
  /** Hears of ports that are lost and regained. Default: nobody does. */
  readonly events?: EventSink;
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
    const before = this.#leftOut;
    const leftOut = new Map<number, GatewrightError>();
    for (const listener of listeners) {
      await this.#probe(listener).catch((error: GatewrightError) => leftOut.set(listener.port, error));
    }
    // At once: a batch that renders meanwhile sees the ports as they were or as they are.
    this.#leftOut = leftOut;
    const changed = [...leftOut.keys()].join() !== [...before.keys()].join();
    if (changed) {
      this.#report();
      this.#tell(before, new Set(listeners.map(({ port }) => port)));
    }
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

  /** A port that no rule needs any more is not regained. */
  #tell(before: ReadonlyMap<number, GatewrightError>, needed: ReadonlySet<number>): void {
    const { events = noEvents } = this.#options;
    for (const [port, { code, message }] of this.#leftOut) {
      if (before.has(port)) continue;
      events.emit({
        type: "port.lost",
        message: `port ${port} cannot be served; its rules wait: ${message}`,
        data: { port, code, reason: message },
      });
    }
    for (const port of before.keys()) {
      if (this.#leftOut.has(port) || !needed.has(port)) continue;
      events.emit({ type: "port.regained", message: `port ${port} can be served again`, data: { port } });
    }
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
