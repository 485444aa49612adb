import { hash } from "node:crypto";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { Sampler } from "../util/sampler.ts";

export interface AttemptsOptions {
  readonly logger: Logger;
  /** Counts a token that was refused: since it is not valid, or unread since its client has to wait. */
  readonly observe?: (outcome: "invalid" | "unread") => void;
  /** Milliseconds of a clock that nobody puts back. Default: the process's. */
  readonly nowMs?: () => number;
}

/** What a client has shown that was wrong. */
interface Client {
  /** Different wrong tokens. */
  failures: number;
  failedAtMs: number;
  /** Until then nothing new of it is looked at. */
  waitsUntilMs: number;
  /** The last wrong ones: whoever repeats a token that has ended is not guessing. */
  readonly wrong: string[];
}

/** Wrong tokens that cost no wait. */
const FREE_FAILURES = 10;
/** The first wait; each further failure doubles it. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
/** After so long without a failure, a client starts over. */
const FORGOTTEN_MS = 600_000;
const MOST_CLIENTS = 10_000;
const MOST_KNOWN = 10_000;
const LINES_OF_CLIENT_A_MINUTE = 3;
const LINES_A_MINUTE = 30;

/**
 * Slows the guessing of tokens down, by client: after some wrong ones, tokens that were never taken before are not looked at
 * for a while, which grows. Those that were taken go on to be verified, so that nobody locks out others behind one proxy.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #nowMs: () => number;
  readonly #sampler: Sampler;
  /** The one that failed last is the last. */
  readonly #clients = new Map<string, Client>();
  /** Digests of tokens that were taken. The one that was used last is the last. */
  readonly #known = new Set<string>();

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#sampler = new Sampler({
      mostOfKey: LINES_OF_CLIENT_A_MINUTE,
      most: LINES_A_MINUTE,
      spanMs: 60_000,
      nowMs: this.#nowMs,
    });
  }

  /** Before a token is looked at. Throws `too_many_attempts`. */
  check(client: string, token: string): void {
    const waitMs = this.#waitOf(client);
    if (waitMs <= 0 || this.#known.has(digestOf(token))) return;
    this.#options.observe?.("unread");
    throw tooMany(waitMs);
  }

  /** A token that is valid. */
  succeeded(token: string): void {
    const digest = digestOf(token);
    this.#known.delete(digest);
    this.#known.add(digest);
    dropOldest(this.#known, MOST_KNOWN);
  }

  /** A token that is not. Returns what is to be thrown: `refusal`, or `too_many_attempts` where the client has to wait. */
  failed(client: string, token: string, refusal: GatewrightError): GatewrightError {
    const waitMs = this.#waitOf(client);
    if (waitMs > 0) {
      this.#options.observe?.("unread");
      return tooMany(waitMs);
    }
    this.#options.observe?.("invalid");
    this.#note(client, digestOf(token));
    const unreported = this.#sampler.take(client);
    if (unreported !== undefined)
      this.#options.logger.warn("a token that is not valid was refused", {
        client,
        ...(unreported === 0 ? {} : { unreported }),
      });
    return refusal;
  }

  #waitOf(client: string): number {
    return (this.#clients.get(client)?.waitsUntilMs ?? 0) - this.#nowMs();
  }

  #note(name: string, digest: string): void {
    const now = this.#nowMs();
    const present = this.#clients.get(name);
    const client =
      present !== undefined && now - present.failedAtMs < FORGOTTEN_MS
        ? present
        : { failures: 0, failedAtMs: now, waitsUntilMs: 0, wrong: [] };
    this.#clients.delete(name);
    this.#clients.set(name, client);
    dropOldest(this.#clients, MOST_CLIENTS);
    if (client.wrong.includes(digest)) return;
    client.wrong.push(digest);
    if (client.wrong.length > FREE_FAILURES) client.wrong.shift();
    client.failures += 1;
    client.failedAtMs = now;
    const beyond = client.failures - FREE_FAILURES;
    if (beyond > 0)
      client.waitsUntilMs = now + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(beyond - 1, 10));
  }
}

function dropOldest(all: Pick<Map<string, unknown>, "size" | "delete" | "keys">, most: number): void {
  if (all.size <= most) return;
  const [oldest = ""] = all.keys();
  all.delete(oldest);
}

/** No part of a token is kept. */
function digestOf(token: string): string {
  return hash("sha256", token, "base64");
}

function tooMany(waitMs: number): GatewrightError {
  const seconds = Math.ceil(waitMs / 1000);
  return new GatewrightError(
    "too_many_attempts",
    `too many wrong tokens came from this address: one that was not taken before is looked at in ${seconds} s`,
    { retryAfterSeconds: seconds },
  );
}
