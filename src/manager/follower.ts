import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Ingress } from "../model/api.ts";
import type { IngressService } from "./ingress-service.ts";

export interface FollowerOptions {
  /** Base URL of the Gatewright that is followed. */
  readonly url: string;
  readonly token?: string;
  /** Time from one answer to the next question. */
  readonly intervalMs: number;
  /** Reads an ingress as the other one answers it. Throws when it is none. */
  readonly read: (value: unknown) => Ingress;
  readonly ingresses: Pick<IngressService, "adopt" | "forget" | "list">;
  readonly logger: Logger;
}

/** Time for one whole answer. */
const TIMEOUT_MS = 30_000;
const LONGEST_BACKOFF_MS = 30_000;

/**
 * Serves the ingresses of another Gatewright, which alone changes them. While that one does not answer, what was known
 * last is served, also after a restart: it is stored here like ingresses of one's own.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failures = 0;
  /** The last answer. */
  #lastText: string | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#follow();
  }

  /** Resolves when the change under way is made. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const { intervalMs, logger, url } = this.#options;
      try {
        await this.#catchUp();
        if (this.#failures > 0) logger.info("the followed Gatewright answers again", { url });
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        // The same answer has to be gone through again.
        this.#lastText = undefined;
        this.#failures += 1;
        if (this.#failures === 1)
          logger.warn("the followed Gatewright cannot be read; what was known last is served", {
            url,
            error,
          });
      }
      const wait = Math.min(intervalMs * 2 ** Math.min(this.#failures, 10), LONGEST_BACKOFF_MS);
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  async #catchUp(): Promise<void> {
    const wanted = await this.#ask();
    if (wanted === undefined) return;
    const { ingresses, logger } = this.#options;
    const before = new Map([...ingresses.list()].map((ingress) => [ingress.id, ingress]));
    const gone = [...before.keys()].filter((id) => !wanted.has(id));
    // What goes may hold the names of what comes.
    await Promise.all(gone.map((id) => ingresses.forget(id)));
    const changed = [...wanted.values()].filter((one) => !isEqual(before.get(one.id), one));
    const adopted = await Promise.allSettled(changed.map((one) => ingresses.adopt(one)));
    for (const [index, result] of adopted.entries()) {
      if (result.status === "fulfilled") continue;
      this.#lastText = undefined;
      logger.error("an ingress of the followed Gatewright cannot be served", {
        ingress: changed[index]?.name,
        error: result.reason as unknown,
      });
    }
  }

  /** The ingresses of the other one by id; undefined when they are those of the last answer. */
  async #ask(): Promise<ReadonlyMap<string, Ingress> | undefined> {
    const { read, token, url } = this.#options;
    const response = await fetch(`${url.replace(/\/$/, "")}/ingresses`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    if (text === this.#lastText) return undefined;
    const listed = JSON.parse(text) as unknown;
    if (!Array.isArray(listed)) throw new Error("the answer is no list of ingresses");
    this.#lastText = text;
    return new Map(listed.map((value) => read(value)).map((ingress) => [ingress.id, ingress]));
  }
}

function isEqual(left: Ingress | undefined, right: Ingress): boolean {
  return left !== undefined && JSON.stringify(left) === JSON.stringify(right);
}
