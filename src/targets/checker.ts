import { setTimeout as delay } from "node:timers/promises";
import type { CheckSettings } from "./check-plan.ts";
import type { ProbeTarget, Verdict } from "./probe.ts";

export type Health = "healthy" | "unhealthy" | "unknown";

/** What checks have found of an address. */
export interface HealthState {
  readonly health: Health;
  /** RFC 3339: when `health` became so. */
  readonly since: string;
  /** What the last check found; absent when it passed. */
  readonly message?: string;
}

/** What a checker is made with. */
export interface CheckerOptions {
  readonly target: ProbeTarget;
  readonly settings: CheckSettings;
  /** Makes one check, which ends with `ending`; see `probe`. */
  readonly check: (target: ProbeTarget, settings: CheckSettings, ending: AbortSignal) => Promise<Verdict>;
  readonly changed: (state: HealthState, before: Health) => void;
}

/** Part of the interval by which checks are shifted at random, so that those of many addresses spread out. */
const JITTER = 0.1;

/**
 * Checks one address until it is stopped. The first check decides at once, since nothing is known before it; later
 * ones must pass or fail as often in a row as the thresholds say.
 */
export class Checker {
  readonly #options: CheckerOptions;
  readonly #stopping = new AbortController();
  /** Resolves when the first check is done, or the checker was stopped before. */
  readonly firstCheck: Promise<void>;
  #state: HealthState = { health: "unknown", since: new Date().toISOString() };
  #streak = 0;

  constructor(options: CheckerOptions) {
    this.#options = options;
    this.firstCheck = this.#checkOnce();
    void this.firstCheck.then(() => this.#repeat());
  }

  get state(): HealthState {
    return this.#state;
  }

  /** Ends a check that is under way, too. */
  stop(): void {
    this.#stopping.abort();
  }

  async #repeat(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const wait = this.#options.settings.intervalMs * (1 - JITTER + 2 * JITTER * Math.random());
      await delay(wait, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await this.#checkOnce();
    }
  }

  async #checkOnce(): Promise<void> {
    const { check, settings, target } = this.#options;
    const { signal } = this.#stopping;
    const verdict = await check(target, settings, signal);
    if (!signal.aborted) this.#take(verdict);
  }

  #take(verdict: Verdict): void {
    const { settings, changed } = this.#options;
    const { health: before, since } = this.#state;
    const found: Health = verdict === undefined ? "healthy" : "unhealthy";
    this.#streak = found === before ? 0 : this.#streak + 1;
    const needed =
      before === "unknown"
        ? 1
        : found === "healthy"
          ? settings.healthyThreshold
          : settings.unhealthyThreshold;
    const turned = this.#streak >= needed;
    if (turned) this.#streak = 0;
    this.#state = {
      health: turned ? found : before,
      since: turned ? new Date().toISOString() : since,
      ...(verdict === undefined ? {} : { message: verdict }),
    };
    if (turned) changed(this.#state, before);
  }
}
