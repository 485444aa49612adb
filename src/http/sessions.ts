import { hash, randomBytes } from "node:crypto";
import { GatewrightError } from "../errors.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Caller } from "./caller.ts";

export interface SessionsOptions {
  /** Longest time of a session. */
  readonly durationMs: number;
  /** Whether tokens that were made here are still taken. */
  readonly tokens: Pick<Tokens, "use">;
  /** Hears the id of each session that is ended before its time. */
  readonly onEnd?: (id: string) => void;
}

interface Session {
  readonly caller: Caller & { readonly expiresAtMs: number; readonly sessionId: string };
  /** Of a token that was made here: its id. */
  readonly token: string | undefined;
}

/** Of one subject; one more ends the oldest. */
const MOST_OF_SUBJECT = 50;
const MOST_SESSIONS = 10_000;

/**
 * Who is logged in by a cookie. In memory alone: nothing on disk can be stolen, and a start with another JWT_SECRET ends
 * the sessions that the former one let in. Secrets are kept as their hashes.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  /** By the hash of the secret; the oldest first. */
  readonly #sessions = new Map<string, Session>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /**
   * Logs a caller in, and returns the secret of the session and who the caller is in it. `token` is the id of a token that
   * was made here, with which the session ends. Throws `overloaded`.
   */
  begin(caller: Caller, token: string | undefined): { readonly secret: string; readonly caller: Caller } {
    this.#makeRoom(caller.subject);
    const secret = randomBytes(32).toString("base64url");
    const end = Date.now() + this.#options.durationMs;
    const session: Session = {
      caller: {
        ...caller,
        kind: "session",
        expiresAtMs: Math.min(end, caller.expiresAtMs ?? end),
        sessionId: randomBytes(12).toString("hex"),
      },
      token,
    };
    this.#sessions.set(keyOf(secret), session);
    return { secret, caller: session.caller };
  }

  /** Who has this secret; undefined for a session that never was or has ended. */
  find(secret: string): Caller | undefined {
    const key = keyOf(secret);
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    const { caller, token } = session;
    const isOver = caller.expiresAtMs <= Date.now();
    if (!isOver && (token === undefined || this.#options.tokens.use(token) !== undefined)) return caller;
    this.#end(key, session);
    return undefined;
  }

  /** Logs out. */
  end(secret: string): void {
    const key = keyOf(secret);
    const session = this.#sessions.get(key);
    if (session !== undefined) this.#end(key, session);
  }

  #end(key: string, { caller }: Session): void {
    this.#sessions.delete(key);
    this.#options.onEnd?.(caller.sessionId);
  }

  #makeRoom(subject: string): void {
    const now = Date.now();
    const own: [string, Session][] = [];
    for (const [key, session] of this.#sessions) {
      if (session.caller.expiresAtMs <= now) this.#end(key, session);
      else if (session.caller.subject === subject) own.push([key, session]);
    }
    const [oldest] = own;
    if (oldest !== undefined && own.length >= MOST_OF_SUBJECT) this.#end(...oldest);
    else if (this.#sessions.size >= MOST_SESSIONS)
      throw new GatewrightError("overloaded", "as many sessions are open as may be; try again later");
  }
}

function keyOf(secret: string): string {
  return hash("sha256", secret);
}
