import type { TrafficMinute } from "../caddy-json/traffic.ts";

/** What counts requests. */
export interface MinuteSource {
  /** Those of the last quarter of an hour. Throws `caddy_unavailable`. */
  trafficMinutes(): Promise<readonly TrafficMinute[]>;
}

/** Minutes that are kept. */
const KEPT = 60;
const MINUTE_SECONDS = 60;
/** Caddy tells of 15 minutes: asked so often, none is lost. */
export const GATHER_EVERY_MS = 600_000;

/**
 * The requests of all ingresses together, by the minute of the last hour. Caddy knows of the last quarter of an hour, which is
 * gathered here; what a Caddy had counted before it was restarted stays.
 */
export class TrafficHistory {
  readonly #source: MinuteSource;
  readonly #now: () => number;
  readonly #byStart = new Map<number, TrafficMinute>();

  /** `now` is in seconds since 1970, by the clock of the wall, as Caddy's minutes are. */
  constructor(source: MinuteSource, now = () => Date.now() / 1000) {
    this.#source = source;
    this.#now = now;
  }

  /** The last sixty, the oldest first, the present one included. Throws `caddy_unavailable`. */
  async minutes(): Promise<readonly TrafficMinute[]> {
    await this.gather();
    const present = this.#present();
    return Array.from({ length: KEPT }, (_, index) => {
      const start = present - (KEPT - 1 - index) * MINUTE_SECONDS;
      return this.#byStart.get(start) ?? { start, requests: 0, errors: 0 };
    });
  }

  /** Takes what Caddy knows. Throws `caddy_unavailable`. */
  async gather(): Promise<void> {
    for (const told of await this.#source.trafficMinutes()) {
      const known = this.#byStart.get(told.start);
      // Fewer than before: Caddy was restarted, or an ingress is gone.
      if (known === undefined || told.requests >= known.requests) this.#byStart.set(told.start, told);
    }
    const oldest = this.#present() - KEPT * MINUTE_SECONDS;
    for (const start of this.#byStart.keys()) if (start < oldest) this.#byStart.delete(start);
  }

  #present(): number {
    const now = Math.floor(this.#now());
    return now - (now % MINUTE_SECONDS);
  }
}
