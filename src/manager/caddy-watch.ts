import type { Logger } from "../log.ts";
import { type EventDraft, type EventSink, noEvents } from "../model/event.ts";
import type { Check } from "./caddy-state.ts";

/** What is done when Caddy runs something else than it was given. */
export type DriftPolicy = "repair" | "report";

export interface CaddyWatchOptions {
  readonly policy: DriftPolicy;
  /** Asks Caddy what it runs. Throws where it does not answer. */
  readonly check: () => Promise<Check>;
  /** Gives Caddy its own again. */
  readonly repair: () => void;
  /** Caddy does not answer for long: replaces a process that nobody can reach any more. */
  readonly revive: () => Promise<void>;
  readonly logger: Logger;
  /** Hears of drift and of a Caddy that does not answer. Default: nobody does. */
  readonly events?: EventSink;
  /** Between two questions. Default 2,000 ms. */
  readonly intervalMs?: number | undefined;
}

/** While Caddy does not answer it is asked more often. */
const SILENT_INTERVAL_MS = 500;
/** From this time of silence on the process is looked at. */
const REVIVE_AFTER_MS = 10_000;

/** Whether Caddy is there, answers, and runs what it was given. */
export class CaddyWatch {
  readonly #options: CaddyWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #ended = false;
  #drift: string | undefined;
  #drifts = 0;
  #starts = 0;
  #ends = 0;
  #silence: { readonly since: number; readonly reason: string } | undefined;

  constructor(options: CaddyWatchOptions) {
    this.#options = options;
  }

  /** Why requests may not be served as stored; empty when all is well. */
  reasons(): readonly string[] {
    if (this.#ended) return ["caddy is not running; it is being started again"];
    return [this.#silence?.reason, this.#drift].filter((reason) => reason !== undefined);
  }

  /** Whether a process runs and answers. */
  get isUp(): boolean {
    return !this.#ended && this.#silence === undefined;
  }

  get hasDrifted(): boolean {
    return this.#drift !== undefined;
  }

  /** How often Caddy was found with something else than it was given. */
  get drifts(): number {
    return this.#drifts;
  }

  /** How often a process was started or found, and how often one ended by itself. */
  get lives(): { readonly starts: number; readonly ends: number } {
    return { starts: this.#starts, ends: this.#ends };
  }

  start(): void {
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** A process was started or found. */
  noteStart(): void {
    this.#starts += 1;
    this.#ended = false;
    this.#silence = undefined;
    this.#mended();
  }

  noteEnd(): void {
    this.#ends += 1;
    this.#ended = true;
  }

  /** Caddy runs what it shall. */
  noteRestored(): void {
    this.#mended();
  }

  #mended(): void {
    if (this.#drift !== undefined)
      this.#emit({ type: "drift.mended", message: "Caddy runs what it was given again" });
    this.#drift = undefined;
  }

  #emit(event: EventDraft): void {
    (this.#options.events ?? noEvents).emit(event);
  }

  #schedule(): void {
    if (this.#stopped) return;
    const wait = this.#silence === undefined ? (this.#options.intervalMs ?? 2_000) : SILENT_INTERVAL_MS;
    this.#timer = setTimeout(() => void this.#look().finally(() => this.#schedule()), wait);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    if (this.#ended) return;
    try {
      const found = await this.#options.check();
      this.#hear();
      this.#judge(found);
    } catch (error) {
      await this.#miss(error);
    }
  }

  #judge(found: Check): void {
    if (found.kind === "expected") this.#mended();
    if (found.kind !== "drifted") return;
    const { logger, policy, repair } = this.#options;
    this.#drifts += 1;
    this.#drift = `caddy runs something else than it was given: ${found.reason}`;
    const what = policy === "repair" ? "giving it its own again" : "left as it is (DRIFT=report)";
    logger.warn(`caddy was changed by somebody else; ${what}`, { reason: found.reason });
    this.#emit({
      type: "drift.found",
      message: `Caddy was changed by somebody else: ${found.reason}; ${what}`,
      data: { reason: found.reason, policy },
    });
    if (policy === "repair") repair();
  }

  #hear(): void {
    if (this.#silence !== undefined) {
      this.#options.logger.info("caddy answers again");
      this.#emit({ type: "caddy.answering", message: "Caddy answers again" });
    }
    this.#silence = undefined;
  }

  async #miss(error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    const { logger, revive } = this.#options;
    if (this.#silence === undefined) {
      logger.error("caddy does not answer", { reason: message });
      this.#emit({
        type: "caddy.silent",
        message: `Caddy does not answer: ${message}`,
        data: { reason: message },
      });
    }
    const since = this.#silence?.since ?? performance.now();
    this.#silence = { since, reason: `caddy does not answer: ${message}` };
    if (performance.now() - since < REVIVE_AFTER_MS) return;
    await revive().catch((reason: unknown) => logger.error("caddy could not be replaced", { error: reason }));
  }
}
