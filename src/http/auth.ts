import type { Request } from "express";
import type { JWTPayload } from "jose";
import { GatewrightError } from "../errors.ts";
import type { Token, TokenLimits } from "../model/api.ts";
import { canOwn } from "../model/limits.ts";
import { permits, type Scope } from "../model/rights.ts";
import type { JwtVerifier, VerifiedJwt } from "../tokens/jwt.ts";
import { isTokenText } from "../tokens/token-text.ts";
import type { Tokens } from "../tokens/tokens.ts";
import { parseBody } from "../validation/schema.ts";
import type { Attempts } from "./attempts.ts";
import type { Caller } from "./caller.ts";
import { clientOf } from "./client.ts";
import { clientAddressOf, doorOf } from "./door.ts";
import { clearSessionCookie, refuseOtherSites, sessionSecretOf } from "./session-cookie.ts";
import type { Sessions } from "./sessions.ts";

/** How callers prove who they are. */
export interface AuthOptions {
  /** Verifies JWTs. Absent or idle: calls without a token are open. */
  readonly jwts?: Pick<JwtVerifier, "verify" | "isIdle">;
  /** Tokens that were made here. Default: none. */
  readonly tokens?: Pick<Tokens, "verify">;
  /** Slows guessing down. Default: nobody does. */
  readonly attempts?: Pick<Attempts, "check" | "succeeded" | "failed">;
  /** Callers who have logged in. Default: nobody can. */
  readonly sessions?: Pick<Sessions, "find" | "end">;
}

const anonymous: Caller = { kind: "open", subject: "anonymous", permissions: undefined };

/** Whoever calls by a Unix socket without a token: the socket's mode says who may. */
const atSocket: Caller = { kind: "open", subject: "socket", permissions: undefined };

/** Claims that hypeman's image registry puts into tokens of its own, which are no tokens for the API. */
const registryClaims = ["repos", "scope", "build_id"];

/** Whether calls without a token are open. */
export function isOpen({ jwts }: AuthOptions): boolean {
  return jwts === undefined || jwts.isIdle;
}

/**
 * Finds out who calls, by `Authorization`, else by the cookie of a session, which counts for requests of our own pages alone.
 * Throws as `authenticate`, and `Forbidden` for requests of other sites.
 */
export async function authenticateRequest(request: Request, options: AuthOptions): Promise<Caller> {
  const { authorization = "" } = request.headers;
  const { sessions } = options;
  const secret = sessions === undefined || authorization !== "" ? undefined : sessionSecretOf(request);
  if (sessions === undefined || secret === undefined) return authenticate(request, authorization, options);
  refuseOtherSites(request);
  const session = sessions.find(secret);
  // Its token is looked at each time: the session has no rights of its own that could outlive it.
  const caller = session && (await callerBy(session.token, options));
  if (session !== undefined && caller !== undefined)
    return { ...caller, kind: "session", expiresAtMs: session.expiresAtMs, sessionId: session.id };
  sessions.end(secret);
  if (request.res !== undefined) clearSessionCookie(request.res);
  // Not as nobody, where calls are open: a page that shows one team's would show everything.
  throw unauthorized("the session has ended: log in again");
}

/**
 * Finds out who calls by what stands, or might stand, in `Authorization`. Throws `Unauthorized` with hypeman's reasons,
 * `too_many_attempts` and `identity_provider_unavailable`. Where calls are open other headers mean nothing, and a token that
 * was made here is held to what it permits.
 */
export async function authenticate(
  request: Request,
  authorization: string | undefined,
  options: AuthOptions,
): Promise<Caller> {
  const { attempts } = options;
  const token = bearerOf(authorization);
  const isMadeHere = token.kind === "bearer" && isTokenText(token.text);
  if (token.kind === "none" && doorOf(request) === "socket") return atSocket;
  if (!isMadeHere && isOpen(options)) return anonymous;
  if (token.kind === "none") throw unauthorized("authorization header required");
  if (token.kind === "malformed") throw unauthorized("invalid authorization header format");
  const client = clientOf(clientAddressOf(request));
  // A secret of 256 random bits is found by no guessing: a right one never has to wait.
  if (!isMadeHere) attempts?.check(client, token.text);
  const caller = await callerBy(token.text, options);
  if (caller === undefined) {
    const refusal = unauthorized("invalid token");
    throw attempts?.failed(client, token.text, refusal) ?? refusal;
  }
  if (!isMadeHere) attempts?.succeeded(token.text);
  return caller;
}

/** Whose a token is, which was made here or is a JWT; undefined for one that is not valid. */
async function callerBy(text: string, { jwts, tokens }: AuthOptions): Promise<Caller | undefined> {
  if (isTokenText(text)) {
    const found = tokens?.verify(text);
    return found && callerWith(found);
  }
  const verified = await jwts?.verify(text);
  return verified && callerOf(verified);
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
    kind: "token",
    subject,
    tokenId: id,
    ...(expires_at === undefined ? {} : { expiresAtMs: Date.parse(expires_at) }),
    permissions: scopes,
    ...(limits === undefined ? {} : { limits }),
  };
}

function callerOf({ by, claims }: VerifiedJwt): Caller {
  if (by === "secret" && registryClaims.some((claim) => Object.hasOwn(claims, claim)))
    throw unauthorized("invalid token type");
  const { exp, jti, sub } = claims;
  const limits = claims["limits"];
  return {
    kind: "token",
    subject: typeof sub === "string" && sub !== "" ? sub : "unnamed",
    ...(typeof jti === "string" && jti !== "" ? { tokenId: jti } : {}),
    ...(typeof exp === "number" ? { expiresAtMs: exp * 1000 } : {}),
    permissions: by === "secret" ? claims["permissions"] : permissionsFrom(claims),
    ...(limits === undefined ? {} : { limits: limitsOf(limits, sub) }),
  };
}

/**
 * What an identity provider says that its token is for: a list of scopes in `permissions`, else words in `scope` (RFC 8693
 * section 4.2), else `scp`. Without any of them nothing: a provider signs tokens for everybody whom it knows.
 */
function permissionsFrom({ permissions, scope, scp }: JWTPayload): unknown {
  const told = permissions ?? scope ?? scp ?? [];
  return typeof told === "string" && permissions === undefined ? told.split(" ") : told;
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

/** Every refusal for want of a proof begins as hypeman's do. */
export function unauthorized(reason: string): GatewrightError {
  return new GatewrightError("Unauthorized", `security requirements failed: ${reason}`);
}
