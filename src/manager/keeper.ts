import type { CaddyApi } from "../caddy/caddy-api.ts";
import { listenersIn, listenersOf } from "../compiler/listeners.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Logger } from "../log.ts";
import type { Applier } from "./applier.ts";
import type { CaddyFiles } from "./caddy-files.ts";
import type { Catalog } from "./catalog.ts";
import type { ConfigRenderer } from "./config-renderer.ts";
import type { Writer } from "./writer.ts";

/** Tells Caddy of changes beside its state, and all anew when it may have lost them. */
export interface Feed {
  start(): void;
  flush(): void;
  stop(): void;
}

export interface KeeperOptions {
  readonly api: CaddyApi;
  readonly applier: Applier;
  readonly catalog: Catalog;
  readonly compiler: CompilerSettings;
  /** What tells Caddy of changes beside its state; told all anew after a restart. */
  readonly feed: Feed;
  readonly files: CaddyFiles;
  readonly logger: Logger;
  readonly renderer: ConfigRenderer;
  readonly writer: Writer;
}

/** Wait after a batch before what is no longer needed is taken out of Caddy; batches in a row share one reload. */
const TIDY_DELAY_MS = 100;
/** How often a reload that would disturb orders of certificates looks whether they are done. */
const HOLD_MS = 1_000;
/** How long it lets itself be held up. A DNS record takes a minute or so to be seen. */
const MAX_HOLD_MS = 60_000;
/** What a reload began is given this long to be seen as under way. */
const SETTLING_MS = 2_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
/** How often ports that could not be bound are tried again. */
const PORT_RETRY_MS = 5_000;

/**
 * Keeps Caddy at the committed state outside of batches: after a start or a restart, when a port becomes free, when
 * the last rule of a port is gone, and after a change that failed half-way.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #portTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #programmed = false;
  #begun = false;
  /** Whether Caddy was restarted since its feeds told all. A batch may have asked what runs meanwhile. */
  #restarted = false;
  #lastError: unknown;
  #stopped = false;
  #ordersUnderWay: () => boolean = () => false;
  #heldSince: number | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Why requests may not be served as stored; empty when all is well. */
  reasons(): readonly string[] {
    const reasons: string[] = [];
    if (!this.#programmed) reasons.push("caddy does not run the stored ingresses yet");
    if (this.#lastError !== undefined) reasons.push(`caddy: ${messageOf(this.#lastError)}`);
    return reasons;
  }

  /** Whether Caddy has run the stored state since the start of the manager. */
  get programmed(): boolean {
    return this.#programmed;
  }

  /** Writes the files that a starting Caddy reads. No Caddy of ours runs now, so every port can be probed. */
  async prepare(): Promise<void> {
    const { catalog, compiler, files, renderer } = this.#options;
    renderer.adopt([]);
    if (await renderer.survey()) this.#reportPorts();
    const { config, structure } = await renderer.exact();
    await files.writeConfig(config);
    await files.writeTable(catalog.values(), compiler);
    // Caddy has these from its first moment on, before anybody is told that it runs.
    renderer.adopt(listenersOf(structure.ports(), compiler));
  }

  /** A Caddy process was started or found; what it runs has to be asked. */
  noteRestart(): void {
    this.#options.applier.forget();
    this.#restarted = true;
    if (!this.#begun) return;
    // A later attempt may be due, with the wait that failures have earned.
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.tidySoon(0);
  }

  /** Brings a Caddy that was just started or found to the stored state. Equal versions load nothing. */
  async begin(): Promise<void> {
    const { api, feed, renderer } = this.#options;
    renderer.adopt(listenersIn((await api.config()).apps));
    if (await renderer.survey()) this.#reportPorts();
    feed.start();
    await this.#options.writer.exclusively(() => this.#restore());
    this.#begun = true;
    this.#portTimer = setInterval(() => void this.#retryPorts(), PORT_RETRY_MS);
    this.#portTimer.unref();
  }

  /** Brings Caddy to the committed state soon; several calls make one apply. */
  tidySoon(delayMs = TIDY_DELAY_MS): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isHeldUp()) this.tidySoon(HOLD_MS);
      else void this.#options.writer.exclusively(() => this.#restore());
    }, delayMs);
    this.#timer.unref();
  }

  /** A reload ends orders of certificates that are under way; one that only adds names waits while the test holds. */
  holdNamesWhile(ordersUnderWay: () => boolean): void {
    this.#ordersUnderWay = ordersUnderWay;
  }

  #isHeldUp(): boolean {
    const { applier, renderer } = this.#options;
    const now = Date.now();
    const isQuiet = now - renderer.appliedAt > SETTLING_MS && !this.#ordersUnderWay();
    const isLost = this.#restarted || applier.running === undefined;
    const mustAct = isLost || this.#lastError !== undefined || !renderer.isSettled;
    if (isQuiet || mustAct) {
      this.#heldSince = undefined;
      return false;
    }
    this.#heldSince ??= now;
    return now - this.#heldSince < MAX_HOLD_MS;
  }

  /**
   * Brings Caddy to the committed state in this turn of the writer. Throws what stands in the way; it is tried again
   * then.
   */
  async restoreNow(): Promise<void> {
    await this.#restore();
    if (this.#lastError !== undefined) throw this.#lastError;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#portTimer);
    this.#options.feed.stop();
  }

  async #restore(): Promise<void> {
    if (this.#stopped) return;
    const { applier, catalog, feed, renderer } = this.#options;
    const asked = this.#restarted || applier.running === undefined;
    this.#restarted = false;
    try {
      const rendered = await renderer.exact();
      await applier.apply({
        config: rendered.config,
        table: catalog.stagedVersion,
        routes: () => catalog.routes(),
      });
      await renderer.applied(rendered);
      // Pushes may have been lost while Caddy was away.
      if (asked) feed.flush();
      this.#programmed = true;
      this.#failures = 0;
      this.#lastError = undefined;
    } catch (error) {
      this.#restarted ||= asked;
      this.#lastError = error;
      this.#options.logger.error("caddy does not serve the stored ingresses; trying again", { error });
      const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS);
      this.#failures += 1;
      this.tidySoon(wait);
    }
  }

  async #retryPorts(): Promise<void> {
    if (this.#options.renderer.leftOut.size === 0) return;
    await this.#options.writer.exclusively(async () => {
      if (!(await this.#options.renderer.survey())) return;
      this.#reportPorts();
      await this.#restore();
    });
  }

  #reportPorts(): void {
    const { logger, renderer } = this.#options;
    for (const [port, error] of renderer.leftOut) {
      logger.error("a port cannot be served; its rules wait and the rest is served", {
        port,
        reason: error.message,
      });
    }
    if (renderer.leftOut.size === 0) logger.info("every port can be served");
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
