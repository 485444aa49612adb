import type { Token } from "../model/api.ts";

/** A token as it is kept: never the secret itself. `DATA_DIR/tokens/{id}.json`, 0600. */
export interface StoredToken extends Omit<Token, "token"> {
  /** SHA-256 of the secret, in hex. */
  readonly secret_sha256: string;
}

/** Reads a stored token. Throws a plain Error that says what is wrong. */
export function readStoredToken(value: unknown): StoredToken {
  const token = value as { readonly [key in keyof StoredToken]?: unknown };
  for (const key of ["id", "name", "subject", "created_by", "created_at", "secret_sha256"] as const)
    if (typeof token[key] !== "string") throw new Error(`${key} is missing`);
  if (!/^[0-9a-f]{64}$/.test(String(token.secret_sha256)))
    throw new Error("secret_sha256 is no SHA-256 in hex");
  if (!Array.isArray(token.scopes)) throw new Error("scopes is no list");
  if (token.limits !== undefined && (typeof token.limits !== "object" || token.limits === null))
    throw new Error("limits is no object");
  // A time that cannot be read would never come.
  for (const key of ["expires_at", "last_used_at"] as const)
    if (token[key] !== undefined && Number.isNaN(Date.parse(String(token[key]))))
      throw new Error(`${key} is no time`);
  return value as StoredToken;
}

/** What is told of a token. */
export function shownToken({ secret_sha256: _, ...shown }: StoredToken): Token {
  return shown;
}

/** Whether its time has passed. */
export function isOver({ expires_at }: StoredToken, nowMs: number): boolean {
  return expires_at !== undefined && Date.parse(expires_at) <= nowMs;
}
