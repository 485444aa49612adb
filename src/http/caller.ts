import type { Request } from "express";
import ipaddr from "ipaddr.js";
import type { Actor } from "../model/api.ts";
import type { Rights } from "../model/rights.ts";
import { clientAddressOf } from "./door.ts";

/** Who was let in, and what they may do. */
export interface Caller extends Rights {
  /** How they were: since calls are open, by a token, by the cookie of a session. */
  readonly kind: "open" | "token" | "session";
  /** The claim `sub`, or that of the token; `unnamed` without one, `anonymous` for a call without a token. */
  readonly subject: string;
  /** The claim `jti`, or the id of the token. */
  readonly tokenId?: string;
  /** When the token ends, or the session, in milliseconds since 1970; absent for what has no end. */
  readonly expiresAtMs?: number;
  /** Of a session. */
  readonly sessionId?: string;
}

/** Who makes a call, as changes remember it. Of a caller who has not shown who they are, `unknown`. */
export function actorOf(
  request: Request,
  { subject, tokenId }: Pick<Caller, "subject" | "tokenId"> = { subject: "unknown" },
): Actor {
  const address = addressOf(clientAddressOf(request));
  const requestId = requestIdOf(request);
  return {
    subject: short(subject),
    ...(tokenId === undefined ? {} : { token_id: short(tokenId) }),
    ...(address === undefined ? {} : { address }),
    ...(requestId === undefined ? {} : { request_id: requestId }),
    via: "api",
  };
}

/** IPv4 in its own form, also where a socket of IPv6 took it. Undefined for a Unix socket. */
function addressOf(remote: string | undefined): string | undefined {
  return remote !== undefined && ipaddr.isValid(remote) ? ipaddr.process(remote).toString() : undefined;
}

/** What a proxy or client calls the request; anything that is not a plain word is left out. */
function requestIdOf(request: Request): string | undefined {
  const given = request.get("x-request-id");
  return given !== undefined && /^[\x21-\x7e]{1,128}$/.test(given) ? given : undefined;
}

/** Claims may be of any length. */
function short(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
