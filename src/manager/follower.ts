import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Ingress } from "../model/api.ts";
import { STORE_HEADER } from "../model/store-header.ts";
import { backoffMs } from "../util/backoff.ts";
import type { FollowedIngresses, FollowedState } from "./followed-ingresses.ts";
import type { WriterRecord } from "./writer-record.ts";

export interface FollowerOptions {
  /** Base URL of the Gatewright that is followed. */
  readonly url: string;
  readonly token?: string;
  /** The id of its store. Default: the one that answered first at this URL. */
  readonly writer?: string;
  /** Where that one is remembered. */
  readonly record: Pick<WriterRecord, "read" | "write">;
  /** Time from one answer to the next question. */
  readonly intervalMs: number;
  /** Reads an ingress as the other one answers it. Throws when it is none. */
  readonly read: (value: unknown) => Ingress;
  readonly ingresses: Pick<FollowedIngresses, "take" | "isEmpty">;
  readonly logger: Logger;
}

/** Time for one whole answer. */
const TIMEOUT_MS = 30_000;
const LONGEST_BACKOFF_MS = 30_000;
/** Most ingresses that `reasons` names one by one. */
const MAX_REASONS = 100;

interface Answer {
  readonly store: string | undefined;
  readonly text: string;
}

/**
 * Serves the ingresses of another Gatewright, which alone changes them. While that one does not answer, or another one
 * answers in its place, what was known last is served, also after a restart: it is stored here like ingresses of one's
 * own.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #token: string | undefined;
  #failures = 0;
  #reason: string | undefined;
  /** What is wrong with single ingresses, by id. */
  #refused: ReadonlyMap<string, string> = new Map();
  /** The last answer that was followed whole. */
  #followed: Answer | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#token = options.token;
  }

  /** Sends another token from now on. */
  renewToken(token: string | undefined): void {
    this.#token = token;
  }

  start(): void {
    this.#running = this.#follow();
  }

  /** Resolves when the change under way is made. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Why not everything is served as the other one has it, for operators; empty when all is. */
  reasons(): readonly string[] {
    const refused = [...this.#refused].map(
      ([id, message]) => `ingress ${id} of the followed Gatewright cannot be served: ${message}`,
    );
    return [...(this.#reason === undefined ? [] : [this.#reason]), ...refused.slice(0, MAX_REASONS)];
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const { intervalMs, logger, url } = this.#options;
      try {
        await this.#catchUp();
        if (this.#failures > 0) logger.info("the followed Gatewright answers again", { url });
        this.#failures = 0;
        this.#reason = undefined;
      } catch (error) {
        if (signal.aborted) return;
        this.#failures += 1;
        const message = error instanceof Error ? error.message : String(error);
        const reason = `${url} cannot be followed: ${message}; what was known last is served`;
        if (reason !== this.#reason)
          logger.warn("the followed Gatewright cannot be followed; what was known last is served", {
            url,
            error,
          });
        this.#reason = reason;
      }
      const wait = backoffMs(intervalMs, this.#failures, LONGEST_BACKOFF_MS);
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  async #catchUp(): Promise<void> {
    const answer = await this.#ask();
    if (answer.text === this.#followed?.text && answer.store === this.#followed.store) return;
    this.#followed = undefined;
    const listed = JSON.parse(answer.text) as unknown;
    if (!Array.isArray(listed)) throw new Error("the answer is no list of ingresses");
    await this.#expect(answer.store, listed.length === 0);
    const { state, refused } = this.#read(listed);
    for (const { id, error } of await this.#options.ingresses.take(state)) refused.set(id, error.message);
    this.#report(refused);
    // Otherwise the same answer has to be gone through again.
    if (refused.size === 0) this.#followed = answer;
  }

  async #ask(): Promise<Answer> {
    const { url } = this.#options;
    const token = this.#token;
    const response = await fetch(`${url.replace(/\/$/, "")}/ingresses`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`it answers with status ${response.status}`);
    return { text, store: response.headers.get(STORE_HEADER) ?? undefined };
  }

  /**
   * Compares the answer's store with the one followed before. A Gatewright that has lost its store, or somebody else's, would
   * otherwise take every ingress away. Throws when it is another one.
   */
  async #expect(store: string | undefined, isEmpty: boolean): Promise<void> {
    const { ingresses, record, url, writer } = this.#options;
    const known = await record.read();
    const expected = writer ?? (known?.url === url ? known.store : undefined);
    const named = store === undefined ? "does not say which store it has" : `has the store ${store}`;
    if (expected !== undefined && store !== expected) {
      const remedy = store === undefined ? "" : `; if that is right, set FOLLOW_WRITER=${store}`;
      throw new Error(`it ${named}, not ${expected}${remedy}`);
    }
    if (expected === undefined && isEmpty && !ingresses.isEmpty) {
      const remedy = store === undefined ? "update it" : `if that is right, set FOLLOW_WRITER=${store}`;
      throw new Error(`it has no ingresses and was not followed before; it ${named}: ${remedy}`);
    }
    if (store !== undefined && (known?.url !== url || known.store !== store))
      await record.write({ url, store });
  }

  #read(listed: readonly unknown[]): { state: FollowedState; refused: Map<string, string> } {
    const wanted = new Map<string, Ingress>();
    const unreadable = new Set<string>();
    const refused = new Map<string, string>();
    for (const value of listed) {
      try {
        const ingress = this.#options.read(value);
        wanted.set(ingress.id, ingress);
      } catch (error) {
        const id = (value as { id?: unknown } | null)?.id;
        // Whose place it takes is not known then.
        if (typeof id !== "string") throw error;
        unreadable.add(id);
        refused.set(id, error instanceof Error ? error.message : String(error));
      }
    }
    return { state: { wanted, unreadable }, refused };
  }

  #report(refused: ReadonlyMap<string, string>): void {
    for (const [ingress, reason] of refused) {
      if (this.#refused.get(ingress) === reason) continue;
      this.#options.logger.error("an ingress of the followed Gatewright cannot be served", {
        ingress,
        reason,
      });
    }
    this.#refused = refused;
  }
}
