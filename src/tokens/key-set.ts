import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { Agent, request } from "undici";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** How the keys of an identity provider are kept. */
export interface KeySetOptions {
  /** Where its JSON Web Key Set is (RFC 7517 section 5), http or https. */
  readonly url: string;
  readonly logger: Logger;
  /** When the set is this old it is fetched again in the background. Default: 10 minutes. */
  readonly freshMs?: number;
  /** An older set is not trusted any more where the provider is away. Default: 24 hours. */
  readonly staleMs?: number;
  /** Shortest time between two fetches, whoever shows whatever token. Default: 10 s. */
  readonly againMs?: number;
  /** Time for one whole answer. Default: 5 s. */
  readonly timeoutMs?: number;
  /** Milliseconds of a clock that nobody puts back. Default: the process's. */
  readonly nowMs?: () => number;
}

/** Sets of large providers have 20 KB. */
const LARGEST_ANSWER_BYTES = 256 * 1024;

interface FetchedKeys {
  readonly find: JWTVerifyGetKey;
  readonly atMs: number;
}

/**
 * The public keys of an identity provider, in memory. A key that is not known has the set fetched at once, since keys are
 * rotated, yet not more often than `againMs`: anybody can send tokens that name keys which do not exist.
 */
export class KeySet {
  readonly #options: Required<KeySetOptions>;
  readonly #agent = new Agent({ maxResponseSize: LARGEST_ANSWER_BYTES });
  #keys: FetchedKeys | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #failure: string | undefined;
  #fetching: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.#options = {
      freshMs: 600_000,
      staleMs: 86_400_000,
      againMs: 10_000,
      timeoutMs: 5_000,
      nowMs: () => performance.now(),
      ...options,
    };
  }

  /**
   * The key that a token names, of the kind that its algorithm takes. Throws one of jose's errors where there is none, and
   * `identity_provider_unavailable` where that cannot be said since the provider does not answer.
   */
  async key(...token: Parameters<JWTVerifyGetKey>): Promise<CryptoKey> {
    const { freshMs, staleMs } = this.#options;
    if (this.#age() > staleMs) await this.fetch();
    else if (this.#age() > freshMs) void this.fetch();
    if (this.#age() > staleMs) throw this.#away();
    try {
      return await this.#find(token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    await this.fetch();
    try {
      return await this.#find(token);
    } catch (error) {
      throw this.#failure !== undefined && error instanceof errors.JWKSNoMatchingKey ? this.#away() : error;
    }
  }

  /** Fetches the set, unless that was done a moment ago. Never rejects. */
  fetch(): Promise<void> {
    const now = this.#options.nowMs();
    if (this.#fetching !== undefined) return this.#fetching;
    if (now - this.#askedAtMs < this.#options.againMs) return Promise.resolve();
    this.#askedAtMs = now;
    this.#fetching = this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** What the set has for a token; nothing before it was fetched. */
  async #find(token: Parameters<JWTVerifyGetKey>): Promise<CryptoKey> {
    if (this.#keys === undefined) throw this.#away();
    return (await this.#keys.find(...token)) as CryptoKey;
  }

  #age(): number {
    return this.#keys === undefined ? Number.POSITIVE_INFINITY : this.#options.nowMs() - this.#keys.atMs;
  }

  async #fetch(): Promise<void> {
    const { logger, nowMs, timeoutMs, url } = this.#options;
    try {
      const { body, statusCode } = await request(url, {
        dispatcher: this.#agent,
        headers: { accept: "application/jwk-set+json, application/json" },
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (statusCode !== 200) {
        await body.dump();
        throw new Error(`it answers with status ${statusCode}`);
      }
      this.#keys = { find: createLocalJWKSet((await body.json()) as JSONWebKeySet), atMs: nowMs() };
      if (this.#failure !== undefined) logger.info("the identity provider's keys can be read again", { url });
      this.#failure = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (this.#failure === undefined)
        logger.warn(
          "the identity provider's keys cannot be read; those that are known are taken for a day, tokens that were made here without it",
          { url, reason: message },
        );
      this.#failure = message;
    }
  }

  #away(): GatewrightError {
    return new GatewrightError(
      "identity_provider_unavailable",
      "the identity provider, whose keys tell whether the token is valid, does not answer; try again, or use a token that was made here",
    );
  }
}
