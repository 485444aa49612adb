import type { CaddyConfig } from "../compiler/caddy-json.ts";
import { compileConfig } from "../compiler/compile.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import { type Structure, StructureSnapshot, type StructureView, unite } from "../compiler/structure.ts";
import type { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** A configuration with the structure that it was rendered from. */
export interface Rendered {
  readonly config: CaddyConfig;
  readonly structure: StructureView;
}

export interface ConfigRendererOptions {
  readonly settings: CompilerSettings;
  readonly structure: Structure;
  /** Resolves when the port can be bound. Throws `port_in_use` or `port_not_permitted`. */
  readonly probePort: (port: number) => Promise<void>;
  /** Keeps config.json equal to what runs. */
  readonly save: (config: CaddyConfig) => Promise<void>;
  readonly logger: Logger;
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
  #current: { readonly generation: number; readonly rendered: Rendered } | undefined;
  #ownPorts: ReadonlySet<number> = new Set();
  readonly #leftOut = new Map<number, GatewrightError>();

  constructor(options: ConfigRendererOptions) {
    this.#options = options;
  }

  /** Ports that could not be bound when Caddy started, with the reason. Their routes wait. */
  get leftOut(): ReadonlyMap<number, GatewrightError> {
    return this.#leftOut;
  }

  /** Tells which ports our running Caddy listens on, so that they are not taken for somebody else's. */
  adopt(ports: readonly number[]): void {
    this.#ownPorts = new Set(ports);
    this.#current = undefined;
  }

  /** Probes every port that is not Caddy's own and leaves out those that cannot be bound. Returns whether that changed. */
  async survey(): Promise<boolean> {
    const before = [...this.#leftOut.keys()].join();
    this.#leftOut.clear();
    for (const { port } of this.#options.structure.ports()) {
      if (this.#ownPorts.has(port)) continue;
      await this.#options.probePort(port).catch((error: GatewrightError) => this.#leftOut.set(port, error));
    }
    const changed = [...this.#leftOut.keys()].join() !== before;
    if (changed) this.#current = undefined;
    return changed;
  }

  /** A configuration for what runs and what is staged. Throws when a new port cannot be bound. */
  async growing(): Promise<Rendered> {
    const { generation } = this.#options.structure;
    if (this.#current?.generation === generation) return this.#current.rendered;
    for (const { port } of this.#options.structure.ports()) {
      if (!this.#ownPorts.has(port) && !this.#leftOut.has(port)) await this.#options.probePort(port);
    }
    const staged = new StructureSnapshot(this.#options.structure);
    const rendered = this.#render(
      this.#applied === undefined ? staged : unite(this.#applied.structure, staged),
    );
    return rendered;
  }

  /** The configuration for exactly what is staged. */
  async exact(): Promise<Rendered> {
    return this.#render(new StructureSnapshot(this.#options.structure));
  }

  /** Takes note that Caddy runs a configuration. */
  async applied(rendered: Rendered): Promise<void> {
    const { generation } = this.#options.structure;
    const known = this.#applied?.config.apps.gatewright.version;
    this.#current = { generation, rendered };
    if (known === rendered.config.apps.gatewright.version) return;
    this.#applied = rendered;
    this.#ownPorts = new Set(rendered.structure.ports().map(({ port }) => port));
    await this.#options.save(rendered.config).catch((error: unknown) => {
      this.#options.logger.warn(
        "config.json could not be written; Caddy runs the new configuration all the same",
        { error },
      );
    });
  }

  #render(view: StructureView): Rendered {
    const served: StructureView = {
      ports: () => view.ports().filter(({ port }) => !this.#leftOut.has(port)),
      policySets: () => view.policySets(),
      tlsSubjects: () => view.tlsSubjects(),
    };
    const structure = new StructureSnapshot(served);
    return { config: compileConfig(structure, this.#options.settings), structure };
  }
}
