import { setTimeout } from "node:timers/promises";
import type { CaddyApi, RunningVersions } from "../caddy/caddy-api.ts";
import type { CaddyConfig } from "../caddy-json/config.ts";
import type { Route } from "../compiler/route.ts";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** What Caddy shall run after an apply. */
export interface DesiredState {
  readonly config: CaddyConfig;
  /** The host table's version afterwards. */
  readonly table: string;
  /** The shortest way there, from one known version. */
  readonly delta?: {
    readonly from: string;
    readonly remove: readonly string[];
    readonly upsert: readonly Route[];
  };
  /** The whole table, for when the running version is another one. */
  readonly routes: () => readonly Route[];
}

/** What the applier needs beside Caddy's admin endpoint. */
export interface ApplierOptions {
  readonly api: CaddyApi;
  /** Resolves when Caddy runs; rejects with `caddy_unavailable` after the time given. */
  readonly whenRunning: (timeoutMs: number) => Promise<void>;
  readonly logger: Logger;
  /** How long an apply waits for a Caddy that is down before it gives up. Default 10,000 ms. */
  readonly patienceMs?: number;
}

/** Pause before what runs is looked at again: a Caddy that has just died may not be noticed yet. */
const PAUSE_MS = 50;

/**
 * Brings Caddy to a desired state. A refusal throws and leaves Caddy with the configuration and table it had,
 * except that a refused table leaves a new configuration, which serves the old table too.
 * A lost answer is never taken for a refusal: the running versions are read back and the apply goes on from there.
 */
export class Applier {
  readonly #options: ApplierOptions;
  #running: RunningVersions | undefined;

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /** Versions that Caddy runs, as far as known; undefined after a restart or a lost answer. */
  get running(): RunningVersions | undefined {
    return this.#running;
  }

  /** Forgets what Caddy runs, so that the next apply asks. */
  forget(): void {
    this.#running = undefined;
  }

  /** Asks Caddy what it runs. Throws `caddy_unavailable`. */
  async readBack(): Promise<RunningVersions> {
    this.#running = await this.#options.api.running();
    return this.#running;
  }

  async apply(desired: DesiredState): Promise<void> {
    const deadline = Date.now() + (this.#options.patienceMs ?? 10_000);
    for (;;) {
      try {
        await this.#approach(desired);
        return;
      } catch (error) {
        this.#running = undefined;
        const lost =
          isGatewrightError(error, "caddy_unavailable") || isGatewrightError(error, "store_conflict");
        if (!lost) throw error;
        if (Date.now() + PAUSE_MS >= deadline) throw unavailable(error);
        this.#options.logger.warn("caddy gave no verdict; reading back what runs", { reason: error.message });
        await setTimeout(PAUSE_MS);
        await this.#options.whenRunning(deadline - Date.now());
      }
    }
  }

  async #approach(desired: DesiredState): Promise<void> {
    const { api } = this.#options;
    let running = this.#running ?? (await this.readBack());
    const version = desired.config.apps.gatewright.version;
    if (running.config !== version) {
      await api.load(desired.config);
      running = { ...running, config: version };
      this.#running = running;
    }
    if (running.table === desired.table) return;
    if (desired.delta !== undefined && running.table === desired.delta.from) {
      await api.patchTable({ ...desired.delta, to: desired.table });
    } else {
      await api.replaceTable({ version: desired.table, routes: desired.routes() });
    }
    this.#running = { ...running, table: desired.table };
  }
}

function unavailable(cause: GatewrightError): GatewrightError {
  return new GatewrightError("caddy_unavailable", "Caddy does not answer; nothing was changed. Try again.", {
    cause,
  });
}
