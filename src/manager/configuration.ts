import { compileConfig } from "../compiler/compile.ts";
import { NeedsSnapshot, type NeedsView, unite } from "../compiler/config-needs.ts";
import { type Listener, listenersOf } from "../compiler/listeners.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { ImportedDigests } from "../compiler/tls.ts";
import type { Logger } from "../log.ts";
import type { CaddyFiles } from "./caddy-files.ts";
import type { CaddyState, Rendered } from "./caddy-state.ts";
import type { Catalog } from "./catalog.ts";
import type { ServedPorts } from "./served-ports.ts";

export interface ConfigurationOptions {
  readonly catalog: Catalog;
  readonly compiler: CompilerSettings;
  /** What a starting Caddy reads. */
  readonly files: CaddyFiles;
  readonly logger: Logger;
  readonly ports: ServedPorts;
  readonly state: CaddyState;
  /** Imported certificates as they are now. Default: none. */
  readonly imported?: (() => ImportedDigests) | undefined;
}

/** The configuration that Caddy shall run: rendered without the ports that cannot be bound, loaded, kept in config.json. */
export class Configuration {
  readonly #options: ConfigurationOptions;
  /** What was last loaded, and the generation of the needs that it covers: an equal one needs no other. */
  #applied: { readonly rendered: Rendered; readonly generation: number | undefined } | undefined;
  /** Version of the configuration in config.json. */
  #saved: string | undefined;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  /**
   * Writes what a starting Caddy reads: the committed state. Where the disk takes nothing, a Caddy starts from what is
   * there, and is brought to the stored state when it runs.
   */
  async prepare(): Promise<void> {
    const { catalog, compiler, files, logger, ports } = this.#options;
    await this.#survey(catalog.committedNeeds());
    // Both of one moment: a batch may commit while they are written.
    const { config, needs } = this.#render(catalog.committedNeeds());
    const ingresses = [...catalog.values()];
    this.#saved = undefined;
    try {
      await files.writeConfig(config);
      await files.writeTable(ingresses, compiler);
      this.#saved = config.apps.gatewright.version;
    } catch (error) {
      if (!(await files.exist())) throw error;
      logger.error("caddy's files cannot be written; it starts from the last ones", { error });
    }
    // Caddy has these from its first moment on, before its start is announced.
    ports.adopt(this.#listenersOf(needs));
  }

  /** For exactly what is staged. */
  exact(): Rendered {
    return this.#render(this.#options.catalog.needs);
  }

  /** For what runs and what is staged. Throws when a new port cannot be bound. */
  async growing(): Promise<Rendered> {
    const { catalog, ports } = this.#options;
    if (this.#applied?.generation === catalog.needs.generation) return this.#applied.rendered;
    await ports.demand(this.#listenersOf(catalog.needs));
    const running = this.#applied?.rendered.needs;
    return this.#render(running === undefined ? catalog.needs : unite(running, catalog.needs));
  }

  /** Has Caddy run it, which covers the needs of a generation. Throws as `CaddyState.load`. */
  async load(rendered: Rendered, generation: number): Promise<void> {
    const { ports, state } = this.#options;
    const isNew = await state.load(rendered);
    if (isNew || this.#applied?.rendered !== rendered) ports.adopt(this.#listenersOf(rendered.needs));
    this.#applied = { rendered, generation };
  }

  /** Keeps config.json equal to what runs. */
  async save({ config }: Rendered): Promise<void> {
    const { files, logger } = this.#options;
    const { version } = config.apps.gatewright;
    if (this.#saved === version) return;
    this.#saved = version;
    await files.writeConfig(config).catch((error: unknown) => {
      this.#saved = undefined;
      const message = "config.json could not be written; Caddy runs the new configuration all the same";
      logger.warn(message, { error });
    });
  }

  /** Equal needs render another configuration from now on. */
  outdate(): void {
    if (this.#applied !== undefined) this.#applied = { ...this.#applied, generation: undefined };
  }

  /** Looks which ports can be bound. Returns whether that changed. */
  survey(): Promise<boolean> {
    return this.#survey(this.#options.catalog.needs);
  }

  async #survey(needs: NeedsView): Promise<boolean> {
    const changed = await this.#options.ports.survey(this.#listenersOf(needs));
    if (changed) this.outdate();
    return changed;
  }

  #render(view: NeedsView): Rendered {
    const { compiler, imported, ports } = this.#options;
    const needs = new NeedsSnapshot({
      ports: () => view.ports().filter(({ port }) => !ports.leftOut.has(port)),
      tlsNeeds: () => view.tlsNeeds(),
    });
    return { config: compileConfig(needs, compiler, imported?.()), needs };
  }

  #listenersOf(needs: NeedsView): readonly Listener[] {
    return listenersOf(needs.ports(), this.#options.compiler);
  }
}
