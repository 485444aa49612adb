import type { CaddyApi } from "../caddy/caddy-api.ts";
import { listenersIn } from "../compiler/listeners.ts";
import { type GatewrightError, isGatewrightError } from "../errors.ts";
import type { EventSink } from "../model/event.ts";
import type { SerialQueue } from "../util/serial-queue.ts";
import type { Track } from "../util/track.ts";
import type { ApplyStep } from "./apply-step.ts";
import type { CaddyHealth, CaddyHost, Feed } from "./caddy-host.ts";
import { CaddyState } from "./caddy-state.ts";
import { CaddyWatch, type DriftPolicy } from "./caddy-watch.ts";
import type { RowChanges } from "./catalog.ts";
import { Configuration, type ConfigurationOptions } from "./configuration.ts";
import { RestoreTimer } from "./restore-timer.ts";
import { ServedPorts, type ServedPortsOptions } from "./served-ports.ts";

export interface ReconcilerOptions extends Omit<ConfigurationOptions, "ports" | "state"> {
  readonly api: CaddyApi;
  /** Hears how Caddy is, of drift and of ports. */
  readonly events: EventSink;
  /** What is done when somebody else changes Caddy. */
  readonly drift: DriftPolicy;
  /** See `CaddyWatchOptions.intervalMs`. */
  readonly watchIntervalMs?: number | undefined;
  /** What tells Caddy of changes beside its state, and of everything again after a restart. */
  readonly feeds: readonly Feed[];
  readonly probe: ServedPortsOptions["probe"];
  /** Batches and restorings take turns in it. */
  readonly turns: SerialQueue;
  /** Runs what Caddy is asked to take, and what is rendered for it. */
  readonly track: Track<ApplyStep>;
}

/** What a batch wants of Caddy. */
export interface BatchChanges extends RowChanges {
  /** Version of the host table before the batch. */
  readonly from: string;
  /** Whether the batch is stored already, or else may be taken back. */
  readonly isStored: boolean;
}

/** How often ports that could not be bound are tried again. */
const PORT_RETRY_MS = 5_000;

/**
 * The one owner of what Caddy runs: render → apply → save. Batches grow it, and everything else restores it to the
 * committed state: a start, a restart, a port that became free, the last rule of a port that is gone, a change that
 * failed half-way or could not be stored.
 *
 * What is needed is there before rows need it, and goes when none does: a batch loads what runs and what is staged
 * together, then moves the table; only then is the exact configuration loaded.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #state: CaddyState;
  readonly #ports: ServedPorts;
  readonly #config: Configuration;
  readonly #timer: RestoreTimer;
  readonly #watch: CaddyWatch;
  #host: CaddyHost | undefined;
  #portTimer: NodeJS.Timeout | undefined;
  #begun = false;
  #stopped = false;
  #programmed = false;
  /** Whether feeds have to tell all, since Caddy may have lost what they told. */
  #mustFlush = false;
  #lastError: unknown;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const { api, drift, events, logger, probe, track } = options;
    const whenRunning = async (timeoutMs: number) => this.#host?.whenRunning(timeoutMs);
    this.#state = new CaddyState({ api, whenRunning, logger, track });
    this.#ports = new ServedPorts({ probe, events, logger });
    this.#config = new Configuration({ ...options, ports: this.#ports, state: this.#state });
    this.#timer = new RestoreTimer(() => void options.turns.run(() => this.restore()));
    this.#watch = new CaddyWatch({
      policy: drift,
      check: () => this.#state.check(),
      repair: () => this.#timer.now(),
      revive: async () => (drift === "repair" ? this.#host?.replaceUnreachable() : undefined),
      events,
      logger,
      intervalMs: options.watchIntervalMs,
    });
  }

  /** Why requests may not be served as stored; empty when all is well. */
  reasons(): readonly string[] {
    const reasons = [...this.#watch.reasons()];
    if (!this.#programmed) reasons.push("caddy does not run the stored ingresses yet");
    if (this.#lastError !== undefined) reasons.push(`caddy: ${messageOf(this.#lastError)}`);
    const ports = this.#options.catalog.needs.ports();
    if (ports.length > 0 && ports.every(({ port }) => this.leftOut.has(port)))
      reasons.push("no port is served");
    return reasons;
  }

  /** What of the stored ingresses is not served while the rest is. */
  notices(): readonly string[] {
    return [...this.leftOut].map(([port, { message }]) => `port ${port} is not served: ${message}`);
  }

  /** How Caddy is, for metrics. */
  health(): CaddyHealth {
    const { drifts, hasDrifted, isUp, lives } = this.#watch;
    return { drifts, hasDrifted, isUp, ...lives, unservedPorts: this.leftOut.size };
  }

  /** Whether Caddy has run the stored state since the start of the manager. */
  get programmed(): boolean {
    return this.#programmed;
  }

  /** Ports that could not be bound, with the reason. Their rows wait. */
  get leftOut(): ReadonlyMap<number, GatewrightError> {
    return this.#ports.leftOut;
  }

  /**
   * Writes what a starting Caddy reads: the committed state. The sockets of a Caddy that it takes over are its own; without
   * one, none of ours runs, and every port can be probed. Throws when there is nothing that it could start from.
   */
  async prepare(takesOver: boolean): Promise<void> {
    this.#ports.adopt(takesOver ? listenersIn((await this.#options.api.config()).apps) : []);
    await this.#config.prepare();
  }

  /** A Caddy process was started or found; what it runs has to be asked. */
  noteStart(): void {
    this.#state.forget();
    this.#watch.noteStart();
    this.#mustFlush = true;
    if (this.#begun) this.#timer.now();
  }

  /** Caddy's process ended; it is started again. */
  noteEnd(): void {
    this.#watch.noteEnd();
  }

  /**
   * Starts Caddy or finds it, and brings it to the stored state: what it runs already is not loaded again. Throws when
   * it cannot be started.
   */
  async start(host: CaddyHost): Promise<void> {
    const { api, feeds, turns } = this.#options;
    this.#host = host;
    await host.start();
    this.#ports.adopt(listenersIn((await api.config()).apps));
    await this.#config.survey();
    for (const feed of feeds) feed.start();
    await turns.run(() => this.restore());
    this.#begun = true;
    this.#watch.start();
    this.#portTimer = setInterval(() => void this.#retryPorts(), PORT_RETRY_MS);
    this.#portTimer.unref();
  }

  /**
   * Has Caddy serve what is staged, in this turn. Throws Caddy's refusal or the port that cannot be bound, and
   * `caddy_unavailable`; what is staged is the caller's to take back then.
   */
  async apply(changes: BatchChanges): Promise<void> {
    const { catalog, track } = this.#options;
    const rendered = await track("render", () => this.#config.growing());
    const { generation } = catalog.needs;
    await this.#state.patiently(async () => {
      await this.#config.load(rendered, generation);
      await this.#state.setTable({
        version: catalog.stagedVersion,
        delta: changes,
        rows: () => catalog.rows(),
        isStaged: !changes.isStored && mayOrder(changes),
      });
    });
    this.#watch.noteRestored();
    await this.#config.save(rendered);
  }

  /** What was applied is stored, in this turn: names that came with it are ordered from now on. Never throws. */
  async noteStored(): Promise<void> {
    if (this.#state.known?.versions.staged !== true) return;
    const { catalog } = this.#options;
    const version = catalog.committedVersion;
    try {
      await this.#state.patiently(() => this.#state.setTable({ version, rows: () => catalog.rows() }));
    } catch {
      this.restoreSoon();
    }
  }

  /**
   * Brings Caddy to exactly what is staged, which is what is committed when no batch is under way; in this turn. Never
   * throws: what stands in the way is reported and tried again.
   */
  async restore(): Promise<void> {
    if (this.#stopped) return;
    const mustFlush = this.#mustFlush || this.#state.known === undefined;
    this.#mustFlush = false;
    try {
      await this.#options.track("restore", () => this.#reachWithout());
      // Pushes may have been lost while Caddy was away.
      if (mustFlush) for (const feed of this.#options.feeds) feed.flush();
      this.#watch.noteRestored();
      if (!this.#programmed || this.#lastError !== undefined)
        this.#options.events.emit({
          type: "caddy.programmed",
          message: "Caddy serves what is stored",
          data: { ingresses: this.#options.catalog.size },
        });
      this.#programmed = true;
      this.#lastError = undefined;
      this.#timer.succeeded();
    } catch (error) {
      this.#mustFlush ||= mustFlush;
      const reason = messageOf(error);
      if (this.#lastError === undefined || messageOf(this.#lastError) !== reason)
        this.#options.events.emit({
          type: "caddy.unprogrammed",
          message: `Caddy does not serve what is stored; it is tried again: ${reason}`,
          data: { reason },
        });
      this.#lastError = error;
      this.#options.logger.error("caddy does not serve the stored ingresses; trying again", { error });
      this.#timer.afterFailure();
    }
  }

  /** As `restore`, soon and in a turn of its own. */
  restoreSoon(): void {
    this.#timer.soon();
  }

  /** Loads the configuration with the imported certificates as they are now. Throws what stands in the way. */
  reloadCertificates(): Promise<void> {
    this.#config.outdate();
    return this.#options.turns.run(async () => {
      await this.restore();
      if (this.#lastError !== undefined) throw this.#lastError;
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer.stop();
    this.#watch.stop();
    clearInterval(this.#portTimer);
    for (const feed of this.#options.feeds) feed.stop();
  }

  /** A port of a rule that is stored, because another gateway could bind it, is left out here where it is taken. */
  async #reachWithout(): Promise<void> {
    try {
      await this.#reach();
    } catch (error) {
      const isOfPort =
        isGatewrightError(error, "port_in_use") || isGatewrightError(error, "port_not_permitted");
      if (!isOfPort || !(await this.#config.survey())) throw error;
      await this.#reach();
    }
  }

  async #reach(): Promise<void> {
    const { catalog } = this.#options;
    const exact = this.#config.exact();
    const { generation } = catalog.needs;
    const version = catalog.stagedVersion;
    await this.#state.patiently(async () => {
      await this.#config.load(exact, generation);
      await this.#state.setTable({ version, rows: () => catalog.rows() });
    });
    await this.#config.save(exact);
  }

  async #retryPorts(): Promise<void> {
    if (this.leftOut.size === 0) return;
    await this.#options.turns.run(async () => {
      if (await this.#config.survey()) await this.restore();
    });
  }
}

/** Whether names come with the rows that an authority may be asked for, or may go with those that go. */
function mayOrder({ remove, upsert }: RowChanges): boolean {
  return remove.length > 0 || upsert.some(({ row }) => row.managed_name !== undefined);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
