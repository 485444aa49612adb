import type { CaddyConfig } from "../caddy-json/config.ts";
import { compileConfig } from "../compiler/compile.ts";
import { type ConfigNeeds, NeedsSnapshot, type NeedsView, unite } from "../compiler/config-needs.ts";
import { isOwn, type Listener, listenerKey, listenersOf } from "../compiler/listeners.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { ImportedDigests } from "../compiler/tls.ts";
import type { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** A configuration with the structure that it was rendered from. */
export interface Rendered {
  readonly config: CaddyConfig;
  readonly structure: NeedsView;
}

export interface ConfigRendererOptions {
  readonly settings: CompilerSettings;
  readonly structure: ConfigNeeds;
  /** Resolves when a listener can be bound. Throws `port_in_use` or `port_not_permitted`. */
  readonly probe: (listener: Listener) => Promise<void>;
  /** Keeps config.json equal to what runs. */
  readonly save: (config: CaddyConfig) => Promise<void>;
  readonly logger: Logger;
  /** Imported certificates as they are now. Default: none. */
  readonly imported?: () => ImportedDigests;
}

/**
 * Renders the configuration for the structure as staged, and knows which ports can be served.
 *
 * Changes are made before they are needed and undone after: `growing` has all that runs and all that is staged, so
 * that the host table can change under it without a request that finds no port or policy set; `exact` follows when
 * the change is done.
 */
export class ConfigRenderer {
  readonly #options: ConfigRendererOptions;
  #applied: Rendered | undefined;
  #appliedAt = 0;
  #current: { readonly generation: number; readonly rendered: Rendered } | undefined;
  /** Listeners of our Caddy, by `listenerKey`. */
  #own: ReadonlySet<string> = new Set();
  #leftOut: ReadonlyMap<number, GatewrightError> = new Map();
  #lastProbe: Promise<void> = Promise.resolve();

  constructor(options: ConfigRendererOptions) {
    this.#options = options;
  }

  /** Ports that could not be bound when Caddy started, with the reason. Their routes wait. */
  get leftOut(): ReadonlyMap<number, GatewrightError> {
    return this.#leftOut;
  }

  /** An imported certificate changed, so that equal structures render another configuration. */
  certificatesChanged(): void {
    this.#current = undefined;
  }

  /** Tells what our running Caddy listens on, so that they are not taken for somebody else's. */
  adopt(listeners: readonly Listener[]): void {
    this.#own = new Set(listeners.map(listenerKey));
    this.#current = undefined;
  }

  /** Probes every port that is not Caddy's own and leaves out those that cannot be bound. Returns whether that changed. */
  async survey(): Promise<boolean> {
    const before = [...this.#leftOut.keys()].join();
    const leftOut = new Map<number, GatewrightError>();
    for (const listener of listenersOf(this.#options.structure.ports(), this.#options.settings)) {
      await this.#probe(listener).catch((error: GatewrightError) => leftOut.set(listener.port, error));
    }
    // At once: a batch that renders meanwhile sees the ports as they were or as they are.
    this.#leftOut = leftOut;
    const changed = [...leftOut.keys()].join() !== before;
    if (changed) this.#current = undefined;
    return changed;
  }

  /** A configuration for what runs and what is staged. Throws when a new port cannot be bound. */
  async growing(): Promise<Rendered> {
    const { generation } = this.#options.structure;
    if (this.#current?.generation === generation) return this.#current.rendered;
    for (const listener of listenersOf(this.#options.structure.ports(), this.#options.settings)) {
      if (!this.#leftOut.has(listener.port)) await this.#probe(listener);
    }
    const staged = new NeedsSnapshot(this.#options.structure);
    const rendered = this.#render(
      this.#applied === undefined ? staged : unite(this.#applied.structure, staged),
    );
    return rendered;
  }

  /** When Caddy last got another configuration, in milliseconds; 0 before the first. */
  get appliedAt(): number {
    return this.#appliedAt;
  }

  /** Whether what runs differs from what is staged by nothing but names that are to be ordered, if at all. */
  get isSettled(): boolean {
    return this.#current?.generation === this.#options.structure.generation;
  }

  /** The configuration for exactly what is staged. */
  async exact(): Promise<Rendered> {
    return this.#render(new NeedsSnapshot(this.#options.structure));
  }

  /** Takes note that Caddy runs a configuration. */
  async applied(rendered: Rendered): Promise<void> {
    const { generation } = this.#options.structure;
    const known = this.#applied?.config.apps.gatewright.version;
    this.#current = { generation, rendered };
    this.#own = new Set(listenersOf(rendered.structure.ports(), this.#options.settings).map(listenerKey));
    if (known === rendered.config.apps.gatewright.version) return;
    this.#applied = rendered;
    this.#appliedAt = Date.now();
    await this.#options.save(rendered.config).catch((error: unknown) => {
      this.#options.logger.warn(
        "config.json could not be written; Caddy runs the new configuration all the same",
        { error },
      );
    });
  }

  /** One after the other: two probes of one port would take each other for somebody else. */
  #probe(listener: Listener): Promise<void> {
    const probed = this.#lastProbe.then(() =>
      isOwn(listener, this.#own) ? undefined : this.#options.probe(listener),
    );
    this.#lastProbe = probed.catch(() => undefined);
    return probed;
  }

  #render(view: NeedsView): Rendered {
    const served: NeedsView = {
      ports: () => view.ports().filter(({ port }) => !this.#leftOut.has(port)),
      policySets: () => view.policySets(),
      tlsNeeds: () => view.tlsNeeds(),
    };
    const structure = new NeedsSnapshot(served);
    const { settings, imported } = this.#options;
    return { config: compileConfig(structure, settings, imported?.()), structure };
  }
}
