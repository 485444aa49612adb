import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { CaddyApi, RunningConfig, RunningVersions } from "../caddy/caddy-api.ts";
import type { CaddyConfig } from "../caddy-json/config.ts";
import type { NeedsView } from "../compiler/config-needs.ts";
import type { Table, TableDelta } from "../compiler/row.ts";
import { type CompiledRow, policySetsOf } from "../compiler/rows.ts";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Track, untracked } from "../util/track.ts";
import type { ApplyStep } from "./apply-step.ts";
import { TableCount } from "./table-count.ts";

/** A configuration with the needs that it was rendered from. */
export interface Rendered {
  readonly config: CaddyConfig;
  readonly needs: NeedsView;
}

/** A host table that Caddy shall have. */
export interface DesiredTable {
  readonly version: string;
  /** The shortest way there, from one known version. */
  readonly delta?: {
    readonly from: string;
    readonly remove: readonly string[];
    readonly upsert: readonly CompiledRow[];
  };
  /** The whole table, for when the running version is another one. */
  readonly rows: () => readonly CompiledRow[];
  /** Whether it is not stored yet. Default: it is. */
  readonly isStaged?: boolean;
}

export interface CaddyStateOptions {
  readonly api: CaddyApi;
  /** Resolves when Caddy runs; rejects with `caddy_unavailable` after the time given. */
  readonly whenRunning: (timeoutMs: number) => Promise<void>;
  readonly logger: Logger;
  /** How long a change waits for a Caddy that is down before it gives up. Default 10,000 ms. */
  readonly patienceMs?: number;
  /** Runs what Caddy is asked to take. Default: nothing is noted. */
  readonly track?: Track<ApplyStep>;
}

/** What is known to run. */
export interface Known {
  readonly versions: RunningVersions;
  readonly config: RunningConfig;
  /** We loaded it or compared it, so its version says what it is. Else it was read, and may have come from anywhere. */
  readonly isOurs: boolean;
  /** Nobody else is known to have changed the host table, so its version says what it is. */
  readonly hasOurTable: boolean;
}

/** What a look at Caddy found. */
export type Check =
  /** What runs is known to be what was given. */
  | { readonly kind: "expected" }
  /** A change is under way, or what runs has not been asked since one was lost. */
  | { readonly kind: "unsure" }
  /** Found once; it is reported again only when Caddy runs yet another configuration or table. */
  | { readonly kind: "drifted" | "drifted-still"; readonly reason: string };

/** Pause before what runs is looked at again: a Caddy that has just died may not be noticed yet. */
const PAUSE_MS = 50;

/**
 * What Caddy runs, as far as known, and the steps that change it. A refusal throws and leaves Caddy as it was. A lost
 * answer is never taken for a refusal: what runs is read back, and `patiently` goes on from there.
 */
export class CaddyState {
  readonly #options: CaddyStateOptions;
  readonly #track: Track<ApplyStep>;
  readonly #tables = new TableCount();
  #known: Known | undefined;
  /** What was given last. */
  #given: { readonly config: CaddyConfig; readonly table: string } | undefined;
  #steps = 0;

  constructor(options: CaddyStateOptions) {
    this.#options = options;
    this.#track = options.track ?? untracked;
  }

  /** Undefined after a start of Caddy, a refusal or a lost answer. */
  get known(): Known | undefined {
    return this.#known;
  }

  /** Another process may run: forgets what Caddy has, so that the next step asks. */
  forget(): void {
    this.#known = undefined;
    this.#tables.forget();
  }

  /** What Caddy runs; asked where it is not known. Throws `caddy_unavailable`. */
  async running(): Promise<Known> {
    if (this.#known !== undefined) return this.#known;
    const { api } = this.#options;
    // In this order a change between the two shows as another generation later.
    const versions = await api.running();
    const config = await api.config();
    const hasOurTable = this.#tables.isOurs(versions.changes);
    this.#known = { versions, config, isOurs: false, hasOurTable };
    return this.#known;
  }

  /** Whether the configuration is known to run. */
  runs({ config }: Rendered): boolean {
    const known = this.#known;
    if (known?.versions.config !== config.apps.gatewright.version) return false;
    // A version string says nothing where somebody changed a part of the configuration.
    return known.isOurs || isDeepStrictEqual(known.config, plain(config));
  }

  /**
   * Has Caddy run the configuration; loads nothing when it does. Returns whether it was loaded. Throws Caddy's
   * refusal, or that there was no answer.
   */
  async load(rendered: Rendered): Promise<boolean> {
    const { api } = this.#options;
    const { config } = rendered;
    let { versions } = await this.running();
    const mustLoad = !this.runs(rendered);
    if (mustLoad) {
      const { generation } = versions;
      await this.#track("load", () => api.load(config));
      this.#known = undefined;
      versions = await api.running();
      // Others may load too. One that was refused may have been counted as well.
      const isCertain =
        versions.config === config.apps.gatewright.version && versions.generation <= generation + 1;
      if (!isCertain) versions = (await this.running()).versions;
      if (!isCertain && !this.runs(rendered))
        throw new GatewrightError("store_conflict", "Caddy was given another configuration meanwhile.");
    }
    const hasOurTable = this.#tables.isOurs(versions.changes);
    this.#known = { versions, config, isOurs: true, hasOurTable };
    return mustLoad;
  }

  /** Takes note of what Caddy has taken; from here on that is what it shall run. */
  #know(known: Known): void {
    this.#known = known;
    this.#tables.know(known.versions.changes);
    if (!known.isOurs) return;
    const { config, versions } = known;
    this.#given = { config: config as CaddyConfig, table: versions.table };
  }

  /** Asks whether what was given runs: one small question where nothing has changed. Throws `caddy_unavailable`. */
  async check(): Promise<Check> {
    const { api } = this.#options;
    const known = this.#known;
    const given = this.#given;
    const hasMoved = (): boolean => this.#steps > 0 || this.#known !== known;
    const versions = await api.running();
    if (hasMoved() || known === undefined || given === undefined) return { kind: "unsure" };
    const isSame = isDeepStrictEqual(versions, known.versions);
    if (isSame && known.isOurs && known.hasOurTable) return { kind: "expected" };
    const hasOurTable = versions.table === given.table && this.#tables.isOurs(versions.changes);
    const reason = driftOf(versions, given.config, hasOurTable);
    if (isSame) return { kind: "drifted-still", reason };
    const config = await api.config();
    if (hasMoved()) return { kind: "unsure" };
    // The same may have been loaded once more by somebody else.
    const isOurs = isDeepStrictEqual(config, plain(given.config));
    this.#known = { versions, config, isOurs, hasOurTable };
    return isOurs && hasOurTable ? { kind: "expected" } : { kind: "drifted", reason };
  }

  /** Has Caddy run the host table, with the policy sets that its rows name. Throws as `load`. */
  async setTable({ version, delta, isStaged = false, rows }: DesiredTable): Promise<void> {
    const { api } = this.#options;
    const known = await this.running();
    const { versions, hasOurTable } = known;
    if (versions.table === version && hasOurTable) {
      const isLate = versions.staged === true && !isStaged;
      if (isLate) await api.commitTable(version);
      this.#know(isLate ? { ...known, versions: { ...versions, staged: false } } : known);
      return;
    }
    const staged = versions.staged === undefined ? undefined : isStaged;
    const told = staged === true ? ({ staged } as const) : {};
    const isDelta = delta !== undefined && versions.table === delta.from && hasOurTable;
    await this.#track("table", () =>
      this.#tables.change(() =>
        isDelta
          ? api.patchTable({ ...deltaTo(version, delta), ...told })
          : api.replaceTable({ ...tableOf(version, rows()), ...told }),
      ),
    );
    if (this.#known !== known)
      throw new GatewrightError("store_conflict", "Caddy was started again meanwhile.");
    // Not read back: a change of somebody else's since then shows as another count.
    const changes = versions.changes === undefined ? undefined : versions.changes + 1;
    this.#know({ ...known, versions: { ...versions, table: version, changes, staged }, hasOurTable: true });
  }

  /**
   * Takes the steps until Caddy gives a verdict: once more after each answer that was lost. Throws Caddy's refusal,
   * or `caddy_unavailable` after the patience.
   */
  async patiently(steps: () => Promise<void>): Promise<void> {
    this.#steps += 1;
    try {
      await this.#untilVerdict(steps);
    } finally {
      this.#steps -= 1;
    }
  }

  async #untilVerdict(steps: () => Promise<void>): Promise<void> {
    const deadline = performance.now() + (this.#options.patienceMs ?? 10_000);
    for (;;) {
      try {
        await steps();
        return;
      } catch (error) {
        this.#known = undefined;
        const lost =
          isGatewrightError(error, "caddy_unavailable") || isGatewrightError(error, "store_conflict");
        if (!lost) throw error;
        if (performance.now() + PAUSE_MS >= deadline) throw unavailable(error);
        this.#options.logger.warn("caddy gave no verdict; reading back what runs", { reason: error.message });
        await sleep(PAUSE_MS);
        await this.#options.whenRunning(Math.max(0, Math.ceil(deadline - performance.now())));
      }
    }
  }
}

/** As it comes back from Caddy. */
function plain(config: CaddyConfig): RunningConfig {
  return JSON.parse(JSON.stringify(config)) as RunningConfig;
}

function driftOf(versions: RunningVersions, config: CaddyConfig, hasOurTable: boolean): string {
  if (versions.config !== config.apps.gatewright.version) return "another configuration was loaded";
  if (!hasOurTable) return "another host table was given to it";
  return "its configuration was changed in place";
}

function deltaTo(to: string, { from, remove, upsert }: NonNullable<DesiredTable["delta"]>): TableDelta {
  return { from, to, remove, upsert: upsert.map(({ row }) => row), policy_sets: policySetsOf(upsert) };
}

function tableOf(version: string, rows: readonly CompiledRow[]): Table {
  return { version, rows: rows.map(({ row }) => row), policy_sets: policySetsOf(rows) };
}

function unavailable(cause: GatewrightError): GatewrightError {
  return new GatewrightError("caddy_unavailable", "Caddy does not answer; nothing was changed. Try again.", {
    cause,
  });
}
