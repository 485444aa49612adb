import type { Logger } from "../log.ts";
import type { InstanceTraffic, TrafficMode } from "../model/api.ts";
import { type Attribution, ourselves } from "../model/attribution.ts";
import { attributed, type EventSink, noEvents } from "../model/event.ts";
import type { DocumentStore } from "../store/document-store.ts";
import { SerialQueue } from "../util/serial-queue.ts";

/** The mode of an instance as it is kept: by the instance's name, so that it outlives its replacement. */
export interface TrafficDocument {
  /** Lowercase name of the instance. */
  readonly id: string;
  readonly mode: Exclude<TrafficMode, "active">;
  readonly pause_timeout?: string;
  /** RFC 3339. */
  readonly since: string;
}

export interface InstanceModesOptions {
  readonly store: DocumentStore<TrafficDocument>;
  /** Hears of each mode that is set. Default: nobody does. */
  readonly events?: EventSink;
  readonly logger: Logger;
}

const words: { readonly [mode in TrafficMode]: string } = {
  active: "takes requests",
  drain: "is drained",
  pause: "is paused",
};

const activeTraffic: InstanceTraffic = { mode: "active" };

/** Which instances are drained or paused. Kept on disk until they are set to `active` again. */
export class InstanceModes {
  readonly #options: InstanceModesOptions;
  readonly #modes = new Map<string, TrafficDocument>();
  readonly #listeners = new Set<(name: string) => void>();
  readonly #writes = new SerialQueue();
  #revision = 0;

  constructor(options: InstanceModesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { revision, documents, unreadable } = await this.#options.store.open();
    this.#revision = revision;
    for (const document of documents) this.#modes.set(document.id, document);
    for (const { path, reason } of unreadable)
      this.#options.logger.error("the mode of an instance cannot be read: it counts as active", {
        path,
        reason,
      });
  }

  close(): Promise<void> {
    return this.#options.store.close();
  }

  get(name: string): InstanceTraffic {
    const { mode, pause_timeout, since } = this.#modes.get(name.toLowerCase()) ?? {};
    if (mode === undefined || since === undefined) return activeTraffic;
    return { mode, since, ...(pause_timeout === undefined ? {} : { pause_timeout }) };
  }

  /** Whether the instance, which may not exist now, is drained or paused. */
  has(name: string): boolean {
    return this.#modes.has(name.toLowerCase());
  }

  /** Names of the instances that are not active. */
  names(): readonly string[] {
    return [...this.#modes.keys()];
  }

  /** The modes of those that are not active, as they are kept. */
  list(): readonly TrafficDocument[] {
    return [...this.#modes.values()];
  }

  /** Keeps modes as they are, the times since which they hold included, all or none of them. Throws `store_unavailable`. */
  restore(documents: readonly TrafficDocument[], by: Attribution = ourselves): Promise<void> {
    return this.#writes.run(async () => {
      await this.#commit(documents, []);
      for (const document of documents) this.#modes.set(document.id, document);
      for (const { id } of documents) {
        for (const listener of this.#listeners) listener(id);
        this.#tell(id, this.get(id), "active", by);
      }
    });
  }

  /** Calls the listener with the name of an instance whose mode changed. */
  watch(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes a mode durable. `by` says whose change it is; default: Gatewright's own. Throws `store_unavailable`. */
  set(
    name: string,
    mode: TrafficMode,
    pauseTimeout?: string,
    by: Attribution = ourselves,
  ): Promise<InstanceTraffic> {
    const id = name.toLowerCase();
    return this.#writes.run(async () => {
      const known = this.#modes.get(id);
      if (mode === "active") {
        if (known !== undefined) await this.#commit([], [id]);
        this.#modes.delete(id);
      } else {
        const since = known?.mode === mode ? known.since : new Date().toISOString();
        const timeout = pauseTimeout === undefined || mode !== "pause" ? {} : { pause_timeout: pauseTimeout };
        const document: TrafficDocument = { id, mode, ...timeout, since };
        await this.#commit([document], []);
        this.#modes.set(id, document);
      }
      for (const listener of this.#listeners) listener(id);
      const traffic = this.get(id);
      this.#tell(id, traffic, known?.mode ?? "active", by);
      return traffic;
    });
  }

  #tell(name: string, { mode, pause_timeout }: InstanceTraffic, before: TrafficMode, by: Attribution): void {
    const { events = noEvents } = this.#options;
    const timeout = pause_timeout === undefined ? {} : { pause_timeout };
    const message = `instance ${name} ${words[mode]}`;
    events.emit({
      type: "instance.traffic",
      message,
      instance: { name },
      ...attributed(by),
      data: { mode, before, ...timeout },
    });
  }

  async #commit(puts: readonly TrafficDocument[], deletes: readonly string[]): Promise<void> {
    this.#revision = await this.#options.store.commit({ expected: this.#revision, puts, deletes });
  }
}

/** Reads a stored mode. Throws a plain Error that says what is wrong. */
export function parseTraffic(value: unknown): TrafficDocument {
  const { id, mode, pause_timeout, since } = value as { readonly [key: string]: unknown };
  if (typeof id !== "string" || typeof since !== "string") throw new Error("id and since are missing");
  if (mode !== "drain" && mode !== "pause") throw new Error("mode is neither drain nor pause");
  return { id, mode, since, ...(typeof pause_timeout === "string" ? { pause_timeout } : {}) };
}
