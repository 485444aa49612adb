import jwt from "jsonwebtoken";
import { GatewrightError } from "../errors.ts";
import type { Token, TokenLimits } from "../model/api.ts";
import { canOwn } from "../model/limits.ts";
import { permits, type Rights, type Scope } from "../model/rights.ts";
import { isTokenText } from "../tokens/token-text.ts";
import type { Tokens } from "../tokens/tokens.ts";
import { parseBody } from "../validation/schema.ts";

/** How callers prove who they are. */
export interface AuthOptions {
  /** Key that tokens are signed with (JWT_SECRET). Absent or "": calls without a token are open. */
  readonly secret?: string;
  /** The key of before, which is taken too where there is a present one (JWT_SECRET_PREVIOUS). */
  readonly previousSecret?: string;
  /** Tokens that were made here. Default: none. */
  readonly tokens?: Pick<Tokens, "verify">;
}

/** Who was let in, and what they may do. */
export interface Caller extends Rights {
  /** The claim `sub`, or that of the token; `unnamed` without one, `anonymous` for a call without a token. */
  readonly subject: string;
  /** The claim `jti`, or the id of the token. */
  readonly tokenId?: string;
  /** When the token ends, in milliseconds since 1970; absent for a token without an end. */
  readonly expiresAtMs?: number;
}

const anonymous: Caller = { subject: "anonymous", permissions: undefined };

/** Claims that hypeman's image registry puts into tokens of its own, which are no tokens for the API. */
const registryClaims = ["repos", "scope", "build_id"];

/** Whether calls without a token are open. */
export function isOpen({ secret }: AuthOptions): boolean {
  return secret === undefined || secret === "";
}

/**
 * Finds out who calls. Throws `Unauthorized` with hypeman's reasons. Tokens that were made here, and signed ones: HS256, HS384
 * and HS512; `exp` and `nbf` are checked when present, without leeway. Where calls are open other headers mean nothing, and a
 * token that was made here is held to what it permits.
 */
export function authenticate(authorization: string | undefined, options: AuthOptions): Caller {
  const { previousSecret = "", secret, tokens } = options;
  const token = bearerOf(authorization);
  if (token.kind === "bearer" && isTokenText(token.text)) {
    const found = tokens?.verify(token.text);
    if (found === undefined) throw unauthorized("invalid token");
    return callerWith(found);
  }
  if (secret === undefined || secret === "") return anonymous;
  if (token.kind === "none") throw unauthorized("authorization header required");
  if (token.kind === "malformed") throw unauthorized("invalid authorization header format");
  const claims = verify(token.text, [secret, previousSecret]);
  if (registryClaims.some((claim) => Object.hasOwn(claims, claim))) throw unauthorized("invalid token type");
  return callerOf(claims);
}

/** Checks that a caller may do what takes a scope. Throws `Forbidden` when the token lacks it. */
export function authorize(caller: Caller, scope: Scope): void {
  if (!permits(caller, scope)) throw new GatewrightError("Forbidden", `missing required scope: ${scope}`);
}

type Bearer =
  | { readonly kind: "none" }
  | { readonly kind: "malformed" }
  | { readonly kind: "bearer"; readonly text: string };

function bearerOf(authorization: string | undefined): Bearer {
  if (authorization === undefined || authorization === "") return { kind: "none" };
  const space = authorization.indexOf(" ");
  const scheme = authorization.slice(0, space);
  const text = authorization.slice(space + 1);
  const isBearer = space >= 0 && scheme.toLowerCase() === "bearer" && text !== "";
  return isBearer ? { kind: "bearer", text } : { kind: "malformed" };
}

function callerWith({ id, subject, scopes, limits, expires_at }: Token): Caller {
  return {
    subject,
    tokenId: id,
    ...(expires_at === undefined ? {} : { expiresAtMs: Date.parse(expires_at) }),
    permissions: scopes,
    ...(limits === undefined ? {} : { limits }),
  };
}

function callerOf({ sub, jti, exp, limits, permissions }: jwt.JwtPayload): Caller {
  return {
    subject: typeof sub === "string" && sub !== "" ? sub : "unnamed",
    ...(typeof jti === "string" && jti !== "" ? { tokenId: jti } : {}),
    ...(typeof exp === "number" ? { expiresAtMs: exp * 1000 } : {}),
    permissions: permissions as unknown,
    ...(limits === undefined ? {} : { limits: limitsOf(limits, sub) }),
  };
}

/** Limits that cannot be read, or are nobody's, permit nothing, so that a mistake never opens. */
function limitsOf(limits: unknown, subject: unknown): TokenLimits {
  if (typeof subject !== "string" || !canOwn(subject))
    throw unauthorized("a token with limits needs a subject");
  try {
    return parseBody("TokenLimits", limits);
  } catch {
    throw unauthorized("invalid limits in the token");
  }
}

/** The claims, where one of the keys signed them. "" is no key. */
function verify(token: string, keys: readonly string[]): jwt.JwtPayload {
  for (const key of keys) {
    if (key === "") continue;
    try {
      const claims = jwt.verify(token, key, { algorithms: ["HS256", "HS384", "HS512"] });
      if (typeof claims === "object" && claims !== null && !Array.isArray(claims)) return claims;
    } catch {
      // Why it is refused is not the caller's business: a forger learns nothing. A payload that is no JSON is a SyntaxError.
    }
  }
  throw unauthorized("invalid token");
}

function unauthorized(reason: string): GatewrightError {
  return new GatewrightError("Unauthorized", `security requirements failed: ${reason}`);
}
