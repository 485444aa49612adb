import { hash, randomBytes } from "node:crypto";
import { GatewrightError } from "../errors.ts";
import type { Caller } from "./caller.ts";

export interface SessionsOptions {
  /** Longest time of a session. */
  readonly durationMs: number;
  /** Hears the id of each session that is ended before its time. */
  readonly onEnd?: (id: string) => void;
}

/** A caller who has logged in. */
export interface Session {
  readonly id: string;
  /** What they have shown. A session permits what it permits now, and nothing when it is taken no more. */
  readonly token: string;
  readonly subject: string;
  readonly expiresAtMs: number;
}

/** Of one subject; one more ends the oldest. */
const MOST_OF_SUBJECT = 50;
/** Each keeps its token, which may have 16 KB. */
const MOST_SESSIONS = 4_000;

/**
 * Who is logged in by a cookie. In memory alone: nothing on disk can be stolen. Secrets of sessions are kept as their hashes.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  /** By the hash of the secret; the oldest first. */
  readonly #sessions = new Map<string, Session>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Logs in a caller who has shown a token, and returns the secret of the session. Throws `overloaded`. */
  begin(
    token: string,
    { expiresAtMs, subject }: Caller,
  ): { readonly secret: string; readonly session: Session } {
    this.#makeRoom(subject);
    const secret = randomBytes(32).toString("base64url");
    const end = Date.now() + this.#options.durationMs;
    const session: Session = {
      id: randomBytes(12).toString("hex"),
      token,
      subject,
      expiresAtMs: Math.min(end, expiresAtMs ?? end),
    };
    this.#sessions.set(keyOf(secret), session);
    return { secret, session };
  }

  /** The session of a secret; undefined for one that never was or whose time is over. */
  find(secret: string): Session | undefined {
    const session = this.#sessions.get(keyOf(secret));
    return session === undefined || session.expiresAtMs <= Date.now() ? undefined : session;
  }

  /** Logs out; of a session that has ended, nothing is left. */
  end(secret: string): void {
    const key = keyOf(secret);
    const session = this.#sessions.get(key);
    if (session !== undefined) this.#end(key, session);
  }

  #end(key: string, { id }: Session): void {
    this.#sessions.delete(key);
    this.#options.onEnd?.(id);
  }

  #makeRoom(subject: string): void {
    const now = Date.now();
    const own: [string, Session][] = [];
    for (const [key, session] of this.#sessions) {
      if (session.expiresAtMs <= now) this.#end(key, session);
      else if (session.subject === subject) own.push([key, session]);
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
