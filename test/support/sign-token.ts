import { createHmac } from "node:crypto";

/** Claims of a token for tests; anything may be in it. */
export interface TokenClaims {
  readonly [claim: string]: unknown;
}

const hashes = { HS256: "sha256", HS384: "sha384", HS512: "sha512" } as const;

/** Signs a token. Default: HS256, no claims beside those given, not even `iat`. */
export function signToken(
  secret: string,
  claims: TokenClaims = {},
  algorithm: keyof typeof hashes = "HS256",
): string {
  return signedText(secret, JSON.stringify(claims), algorithm);
}

/** A token without a signature (RFC 7519 section 6), which nobody must accept. */
export function unsignedToken(claims: TokenClaims = {}): string {
  return `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`;
}

/** A token whose signature is right and whose payload is any text. `header` adds to its header or replaces there. */
export function signedText(
  secret: string,
  payload: string,
  algorithm: keyof typeof hashes = "HS256",
  header: object = {},
): string {
  const signed = `${part({ alg: algorithm, typ: "JWT", ...header })}.${Buffer.from(payload).toString("base64url")}`;
  return `${signed}.${createHmac(hashes[algorithm], secret).update(signed).digest("base64url")}`;
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
