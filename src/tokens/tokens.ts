import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { CreateTokenRequest, Token } from "../model/api.ts";
import { type Attribution, ourselves, somebody } from "../model/attribution.ts";
import { attributed, type EventSink, noEvents } from "../model/event.ts";
import { makeId } from "../model/id.ts";
import type { Rights } from "../model/rights.ts";
import type { DocumentStore, UnreadableDocument } from "../store/document-store.ts";
import { type KeptChange, KeptDocuments } from "../store/kept-documents.ts";
import { LastUses } from "./last-uses.ts";
import { checkGrant, checkTokenLimits, expiryOf } from "./request.ts";
import { isOver, type StoredToken, shownToken } from "./stored-token.ts";
import { isSecretOf, makeTokenText, readTokenText } from "./token-text.ts";

export interface TokensOptions {
  readonly store: DocumentStore<StoredToken>;
  /** Hears of tokens that are made and deleted. Default: nobody does. */
  readonly events?: EventSink;
  readonly logger: Logger;
  /** The time, in milliseconds since 1970. Default: the machine's. */
  readonly nowMs?: () => number;
  /** Uses are written so often at the most. Default: 60,000. */
  readonly usesEveryMs?: number;
}

const MOST_TOKENS = 10_000;
/** Tokens that have ended are listed for so long: whose stopped working can be seen. */
const ENDED_KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** The tokens that were made here, in memory and on disk, each as the hash of its secret. */
export class Tokens {
  readonly #options: TokensOptions;
  readonly #kept: KeptDocuments<StoredToken>;
  readonly #listeners = new Set<(id: string) => void>();
  readonly #uses: LastUses;

  constructor(options: TokensOptions) {
    this.#options = options;
    this.#kept = new KeptDocuments(options.store);
    this.#kept.watch((change) => this.#note(change));
    this.#uses = new LastUses(options.usesEveryMs ?? 60_000, () => this.#writeUses());
  }

  /** Throws `store_unavailable`. */
  async open(): Promise<void> {
    this.#report(await this.#kept.open());
  }

  async close(): Promise<void> {
    await this.#uses.close();
    await this.#kept.close();
  }

  /** The token that a caller shows; undefined for one that is unknown, deleted or over, without saying which. */
  verify(text: string): Token | undefined {
    const parts = readTokenText(text);
    const stored = parts === undefined ? undefined : this.#kept.all.get(parts.id);
    if (parts === undefined || stored === undefined || !isSecretOf(stored.secret_sha256, parts.secret))
      return undefined;
    const now = this.#now();
    if (isOver(stored, now)) return undefined;
    this.#uses.note(stored.id, now);
    return shownToken(stored);
  }

  /** By name. */
  list(): readonly Token[] {
    return [...this.#kept.all.values()]
      .map((stored) => this.#shown(stored))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** By id, then by name. */
  find(reference: string): Token | undefined {
    const stored = this.#stored(reference);
    return stored === undefined ? undefined : this.#shown(stored);
  }

  /**
   * Makes a token, and resolves with its text, which nobody can ask for later, when it is durable. Throws `Forbidden` when
   * it would permit more than its maker may do, `bad_request`, `already_exists`, `store_unavailable`. `by` says who makes it;
   * default: Gatewright itself.
   */
  async create(request: CreateTokenRequest, maker: Rights, by: Attribution = ourselves): Promise<Token> {
    const { stored, text } = await this.#kept.change(() => {
      const now = this.#now();
      checkGrant(request, maker);
      checkTokenLimits(request);
      const expiresAt = expiryOf(request, now);
      const ended = this.#endedLongAgo(now);
      this.#checkRoom(request.name, ended);
      const id = makeId();
      const { text, secretHash } = makeTokenText(id);
      const stored: StoredToken = {
        id,
        name: request.name,
        subject: request.subject ?? request.name,
        scopes: request.scopes,
        ...(request.limits === undefined ? {} : { limits: request.limits }),
        created_by: by.actor.subject,
        created_at: new Date(now).toISOString(),
        ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
        secret_sha256: secretHash,
      };
      return { puts: [stored], deletes: ended, answer: { stored, text } };
    });
    this.#tell("token.created", "made", stored, by);
    return { ...shownToken(stored), token: text };
  }

  /** Tokens as they are kept, with the hashes of their secrets and their last uses, in no order. */
  stored(): readonly StoredToken[] {
    return [...this.#kept.all.values()].map((stored) => ({ ...stored, ...this.#lastUse(stored) }));
  }

  /** Keeps tokens as they are, all or none of them. Throws `already_exists` for a name that is taken, `store_unavailable`. */
  async restore(tokens: readonly StoredToken[], by: Attribution = ourselves): Promise<void> {
    await this.#kept.change(() => {
      const names = new Set<string>();
      for (const { name } of tokens) {
        if (names.has(name) || this.#named(name) !== undefined)
          throw new GatewrightError("already_exists", `two tokens have the name ${name}`);
        names.add(name);
      }
      return { puts: tokens, deletes: [], answer: undefined };
    });
    for (const stored of tokens) this.#tell("token.created", "restored", stored, by);
  }

  /** It is taken no more when this resolves. Throws `not_found`, `store_unavailable`. */
  async delete(reference: string, by: Attribution = ourselves): Promise<void> {
    const gone = await this.#kept.change(() => {
      const stored = this.#stored(reference);
      if (stored === undefined) throw new GatewrightError("not_found", "resource not found");
      return { puts: [], deletes: [stored.id], answer: stored };
    });
    this.#tell("token.deleted", "deleted", gone, by);
  }

  /** Calls the listener with the id of each token that is taken no more since it was deleted. */
  watchDeleted(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #now(): number {
    return this.#options.nowMs?.() ?? Date.now();
  }

  #stored(reference: string): StoredToken | undefined {
    return this.#kept.all.get(reference) ?? this.#named(reference);
  }

  #named(name: string): StoredToken | undefined {
    for (const stored of this.#kept.all.values()) if (stored.name === name) return stored;
    return undefined;
  }

  #shown(stored: StoredToken): Token {
    return { ...shownToken(stored), ...this.#lastUse(stored) };
  }

  /** The last use at this gateway, where it was not used at another one since. */
  #lastUse({ id, last_used_at }: StoredToken): Pick<StoredToken, "last_used_at"> {
    const usedAtMs = this.#uses.of(id);
    const isLater = usedAtMs !== undefined && !(Date.parse(last_used_at ?? "") > usedAtMs);
    return isLater ? { last_used_at: new Date(usedAtMs).toISOString() } : {};
  }

  #endedLongAgo(now: number): readonly string[] {
    return [...this.#kept.all.values()]
      .filter((stored) => isOver(stored, now - ENDED_KEPT_MS))
      .map(({ id }) => id);
  }

  #checkRoom(name: string, leaving: readonly string[]): void {
    const taken = this.#named(name);
    if (taken !== undefined && !leaving.includes(taken.id))
      throw new GatewrightError(
        "already_exists",
        `another token has the name ${name}: delete it, or choose another name`,
      );
    if (this.#kept.all.size - leaving.length >= MOST_TOKENS)
      throw new GatewrightError(
        "bad_request",
        `invalid request: there are ${MOST_TOKENS} tokens already; delete those that nobody needs`,
      );
  }

  async #writeUses(): Promise<void> {
    const used = this.#uses.unwritten();
    if (used.length === 0) return;
    try {
      await this.#kept.change(() => {
        const puts = used.flatMap(({ id }) => {
          const stored = this.#kept.all.get(id);
          const use = stored === undefined ? {} : this.#lastUse(stored);
          return stored === undefined || use.last_used_at === undefined ? [] : [{ ...stored, ...use }];
        });
        return { puts, deletes: [], answer: undefined };
      });
    } catch (error) {
      this.#options.logger.warn("when tokens were last used could not be written", { error });
    }
  }

  #note({ isOthers, steps, unreadable }: KeptChange<StoredToken>): void {
    this.#report(unreadable);
    for (const { after, before } of steps) {
      if (after === undefined && before !== undefined) {
        this.#uses.forget(before.id);
        for (const listener of this.#listeners) listener(before.id);
      }
      if (!isOthers) continue;
      // One that was there and still is was used.
      if (before === undefined && after !== undefined)
        this.#tell("token.created", "made at another gateway", after, somebody);
      if (after === undefined && before !== undefined)
        this.#tell("token.deleted", "deleted at another gateway", before, somebody);
    }
  }

  #report(unreadable: readonly UnreadableDocument[]): void {
    for (const { path, reason } of unreadable)
      this.#options.logger.error("a token cannot be read and is not taken; make another one", {
        path,
        reason,
      });
  }

  #tell(type: "token.created" | "token.deleted", what: string, stored: StoredToken, by: Attribution): void {
    const { events = noEvents } = this.#options;
    const { id, name, subject, scopes, limits, expires_at } = stored;
    events.emit({
      type,
      message: `token ${name} is ${what}`,
      token: { id, name },
      ...attributed(by),
      data: {
        subject,
        scopes,
        ...(limits === undefined ? {} : { limits }),
        ...(expires_at === undefined ? {} : { expires_at }),
      },
    });
  }
}
