import jwt from "jsonwebtoken";
import { GatewrightError } from "../errors.ts";

/** How callers prove who they are. */
export interface AuthOptions {
  /** Key that tokens are signed with (JWT_SECRET). Absent or "": every call is open. */
  readonly secret?: string;
}

/** What a token can be limited to by its `permissions` claim. */
export type Scope =
  | "ingress:read"
  | "ingress:write"
  | "ingress:delete"
  | "instance:read"
  | "instance:write"
  | "certificate:read"
  | "certificate:write"
  | "admin:read";

/** Who was let in. */
export interface Caller {
  /** The claim `sub`; `unnamed` without one, `anonymous` where every call is open. */
  readonly subject: string;
  /** The claim `jti`. */
  readonly tokenId?: string;
  /** The claim `exp`, in milliseconds since 1970; absent for a token without an end. */
  readonly expiresAtMs?: number;
}

const anonymous: Caller = { subject: "anonymous" };

/** Claims that hypeman's image registry puts into tokens of its own, which are no tokens for the API. */
const registryClaims = ["repos", "scope", "build_id"];

/**
 * Finds out who calls. Throws `Unauthorized` with hypeman's reasons. HS256, HS384 and HS512; `exp` and `nbf` are checked
 * when present, without leeway.
 */
export function authenticate(authorization: string | undefined, { secret }: AuthOptions): Authenticated {
  if (secret === undefined || secret === "") return { caller: anonymous, permissions: undefined };
  if (authorization === undefined || authorization === "")
    throw unauthorized("authorization header required");
  const space = authorization.indexOf(" ");
  const scheme = authorization.slice(0, space);
  const token = authorization.slice(space + 1);
  if (space < 0 || scheme.toLowerCase() !== "bearer" || token === "") {
    throw unauthorized("invalid authorization header format");
  }
  const claims = verify(token, secret);
  if (registryClaims.some((claim) => Object.hasOwn(claims, claim))) throw unauthorized("invalid token type");
  return { caller: callerOf(claims), permissions: claims["permissions"] };
}

/** Who calls, and what their token may do. */
export interface Authenticated {
  readonly caller: Caller;
  /** The claim as it stands in the token. */
  readonly permissions: unknown;
}

/** Checks that a caller may do what takes a scope. Throws `Forbidden` when the token lacks it. */
export function authorize({ permissions }: Authenticated, scope: Scope): void {
  if (!permits(permissions, scope))
    throw new GatewrightError("Forbidden", `missing required scope: ${scope}`);
}

function callerOf({ sub, jti, exp }: jwt.JwtPayload): Caller {
  return {
    subject: typeof sub === "string" && sub !== "" ? sub : "unnamed",
    ...(typeof jti === "string" && jti !== "" ? { tokenId: jti } : {}),
    ...(typeof exp === "number" ? { expiresAtMs: exp * 1000 } : {}),
  };
}

function verify(token: string, secret: string): jwt.JwtPayload {
  try {
    const claims = jwt.verify(token, secret, { algorithms: ["HS256", "HS384", "HS512"] });
    if (typeof claims === "object" && claims !== null && !Array.isArray(claims)) return claims;
  } catch {
    // Why it is refused is not the caller's business: a forger learns nothing. A payload that is no JSON is a SyntaxError.
  }
  throw unauthorized("invalid token");
}

/** No claim means everything, as `*` does; one that is no list means nothing, so that a mistake never opens. */
function permits(permissions: unknown, scope: Scope): boolean {
  if (permissions === undefined) return true;
  return Array.isArray(permissions) && (permissions.includes("*") || permissions.includes(scope));
}

function unauthorized(reason: string): GatewrightError {
  return new GatewrightError("Unauthorized", `security requirements failed: ${reason}`);
}
