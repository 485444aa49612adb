import type { Logger } from "../log.ts";
import type { InstanceTraffic, TrafficMode } from "../model/api.ts";
import { type Attribution, ourselves, somebody } from "../model/attribution.ts";
import { attributed, type EventSink, noEvents } from "../model/event.ts";
import type { DocumentStore, UnreadableDocument } from "../store/document-store.ts";
import { type KeptChange, KeptDocuments } from "../store/kept-documents.ts";

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

/** Which instances are drained or paused. Kept until they are set to `active` again. */
export class InstanceModes {
  readonly #options: InstanceModesOptions;
  readonly #kept: KeptDocuments<TrafficDocument>;
  readonly #listeners = new Set<(name: string) => void>();

  constructor(options: InstanceModesOptions) {
    this.#options = options;
    this.#kept = new KeptDocuments(options.store);
    this.#kept.watch((change) => this.#note(change));
  }

  async start(): Promise<void> {
    this.#report(await this.#kept.open());
  }

  close(): Promise<void> {
    return this.#kept.close();
  }

  get(name: string): InstanceTraffic {
    const { mode, pause_timeout, since } = this.#kept.all.get(name.toLowerCase()) ?? {};
    if (mode === undefined || since === undefined) return activeTraffic;
    return { mode, since, ...(pause_timeout === undefined ? {} : { pause_timeout }) };
  }

  /** Whether the instance, which may not exist now, is drained or paused. */
  has(name: string): boolean {
    return this.#kept.all.has(name.toLowerCase());
  }

  /** Names of the instances that are not active. */
  names(): readonly string[] {
    return [...this.#kept.all.keys()];
  }

  /** The modes of those that are not active, as they are kept. */
  list(): readonly TrafficDocument[] {
    return [...this.#kept.all.values()];
  }

  /** Keeps modes as they are, the times since which they hold included, all or none of them. Throws `store_unavailable`. */
  async restore(documents: readonly TrafficDocument[], by: Attribution = ourselves): Promise<void> {
    await this.#kept.change(() => ({ puts: documents, deletes: [], answer: undefined }));
    for (const { id } of documents) this.#tell(id, this.get(id), "active", by);
  }

  /** Calls the listener with the name of an instance whose mode changed. */
  watch(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes a mode durable. `by` says whose change it is; default: Gatewright's own. Throws `store_unavailable`. */
  async set(
    name: string,
    mode: TrafficMode,
    pauseTimeout?: string,
    by: Attribution = ourselves,
  ): Promise<InstanceTraffic> {
    const id = name.toLowerCase();
    const before = await this.#kept.change(() => {
      const known = this.#kept.all.get(id);
      if (mode === "active")
        return { puts: [], deletes: known === undefined ? [] : [id], answer: known?.mode };
      const since = known?.mode === mode ? known.since : new Date().toISOString();
      const timeout = pauseTimeout === undefined || mode !== "pause" ? {} : { pause_timeout: pauseTimeout };
      return { puts: [{ id, mode, ...timeout, since }], deletes: [], answer: known?.mode };
    });
    // What Caddy has is made sure of, also where nothing had to be stored.
    if (before === undefined && mode === "active") for (const listener of this.#listeners) listener(id);
    const traffic = this.get(id);
    this.#tell(id, traffic, before ?? "active", by);
    return traffic;
  }

  #note({ isOthers, steps, unreadable }: KeptChange<TrafficDocument>): void {
    this.#report(unreadable);
    for (const { after, before } of steps) {
      const { id } = (after ?? before) as TrafficDocument;
      for (const listener of this.#listeners) listener(id);
      if (isOthers) this.#tell(id, this.get(id), before?.mode ?? "active", somebody);
    }
  }

  #report(unreadable: readonly UnreadableDocument[]): void {
    for (const { path, reason } of unreadable)
      this.#options.logger.error("the mode of an instance cannot be read: it counts as active", {
        path,
        reason,
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
}

/** Reads a stored mode. Throws a plain Error that says what is wrong. */
export function parseTraffic(value: unknown): TrafficDocument {
  const { id, mode, pause_timeout, since } = value as { readonly [key: string]: unknown };
  if (typeof id !== "string" || typeof since !== "string") throw new Error("id and since are missing");
  if (mode !== "drain" && mode !== "pause") throw new Error("mode is neither drain nor pause");
  return { id, mode, since, ...(typeof pause_timeout === "string" ? { pause_timeout } : {}) };
}
