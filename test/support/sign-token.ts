import jwt from "jsonwebtoken";

/** Claims of a token for tests; anything may be in it. */
export interface TokenClaims {
  readonly [claim: string]: unknown;
}

/** Signs a token. Default: HS256, no claims beside those given, not even `iat`. */
export function signToken(
  secret: string,
  claims: TokenClaims = {},
  algorithm: "HS256" | "HS384" | "HS512" = "HS256",
): string {
  return jwt.sign({ ...claims }, secret, { algorithm, noTimestamp: true });
}

/** A token without a signature (RFC 7519 section 6), which nobody must accept. */
export function unsignedToken(claims: TokenClaims = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`;
}

/** A token whose signature is right and whose payload is any text. */
export function signedText(secret: string, payload: string): string {
  return jwt.sign(payload, secret, { header: { alg: "HS256", typ: "JWT" } });
}
