import { setTimeout as delay } from "node:timers/promises";
import type { CaddyApi } from "../caddy/caddy-api.ts";
import type { Logger } from "../log.ts";
import type { Ingress } from "../model/api.ts";
import { targetsOf } from "../model/target.ts";

/** Starts instances; see `HypemanResolver.wake`. */
export type Wake = (instance: string) => Promise<void>;

export interface WakeServiceOptions {
  readonly api: Pick<CaddyApi, "awaitWakes" | "pushTargets">;
  readonly wake: Wake;
  readonly logger: Logger;
  /** Wait after Caddy did not answer. Default 500 ms. */
  readonly retryMs?: number;
}

/**
 * Asks Caddy which instances requests wait for, and has them started, each once at a time. Asks only while an ingress
 * has a target to wake.
 */
export class WakeService {
  readonly #options: WakeServiceOptions;
  readonly #ingresses = new Set<string>();
  readonly #waking = new Set<string>();
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: WakeServiceOptions) {
    this.#options = options;
  }

  /** An ingress was stored. */
  put(ingress: Ingress): void {
    const wakes = ingress.rules.some((rule) => targetsOf(rule).some(({ wake }) => wake === true));
    if (wakes) this.#ingresses.add(ingress.id);
    else this.#ingresses.delete(ingress.id);
    if (wakes) this.#running ??= this.#run();
  }

  /** An ingress was deleted. */
  remove(ingressId: string): void {
    this.#ingresses.delete(ingressId);
  }

  stop(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#ingresses.size > 0 && !signal.aborted) {
      try {
        for (const name of await this.#options.api.awaitWakes(signal)) void this.#wake(name);
      } catch (error) {
        this.#options.logger.debug("caddy was not asked which instances to wake; trying again", { error });
        await delay(this.#options.retryMs ?? 500, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
    this.#running = undefined;
  }

  async #wake(name: string): Promise<void> {
    if (this.#waking.has(name) || this.#closing.signal.aborted) return;
    this.#waking.add(name);
    const { api, logger, wake } = this.#options;
    const began = performance.now();
    try {
      await wake(name);
      logger.info("an instance was woken by a request", {
        instance: name,
        durationMs: Math.round(performance.now() - began),
      });
      await api.pushTargets({ wakes: { [name]: {} } }).catch(() => undefined);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn("an instance could not be woken", { instance: name, reason });
      await api.pushTargets({ wakes: { [name]: { error: reason } } }).catch(() => undefined);
    } finally {
      this.#waking.delete(name);
    }
  }
}
