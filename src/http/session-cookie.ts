import type { Request, Response } from "express";
import { GatewrightError } from "../errors.ts";
import { isSameOrigin } from "./host-guard.ts";

const NAME = "gatewright_session";
/** Browsers take such a cookie over TLS alone, and from no neighbour's subdomain (RFC 6265bis section 4.1.3.2). */
const SECURE_PREFIX = "__Host-";

/** The secret that a request's cookie holds; undefined without one. */
export function sessionSecretOf(request: Request): string | undefined {
  const secure = cookieOf(request, SECURE_PREFIX + nameOf(request));
  return secure ?? (isForwardedTls(request) ? undefined : cookieOf(request, nameOf(request)));
}

/** Gives the browser the secret of a session. */
export function setSessionCookie(response: Response, secret: string): void {
  const isSecure = comesOverTls(response.req);
  const name = (isSecure ? SECURE_PREFIX : "") + nameOf(response.req);
  // Without an end of its own: browsers keep it until they are closed, and the session ends here.
  response.cookie(name, secret, { httpOnly: true, sameSite: "strict", path: "/", secure: isSecure });
}

/** Has the browser forget it. */
export function clearSessionCookie(response: Response): void {
  const { req: request } = response;
  for (const prefix of [SECURE_PREFIX, ""])
    if (cookieOf(request, prefix + nameOf(request)) !== undefined)
      response.clearCookie(prefix + nameOf(request), {
        httpOnly: true,
        sameSite: "strict",
        path: "/",
        secure: prefix !== "",
      });
}

/**
 * Refuses what another site had a browser send. Browsers say so by Sec-Fetch-Site, which no page can set, and where they do not,
 * to http beyond loopback, by Origin, without which nothing is changed.
 */
export function refuseOtherSites(request: Request): void {
  const { host = "", origin, "sec-fetch-site": site } = request.headers;
  const onlyReads = request.method === "GET" || request.method === "HEAD";
  const isOurs =
    site !== undefined
      ? site === "same-origin" || (site === "none" && onlyReads)
      : origin !== undefined
        ? isSameOrigin(origin, host)
        : onlyReads;
  if (!isOurs)
    throw new GatewrightError(
      "Forbidden",
      "a session is for pages of this origin: this call has no Origin of it; others send Authorization",
    );
}

/** Cookies know no ports: several Gatewrights of one machine would have one cookie. */
function nameOf({ socket: { localPort } }: Request): string {
  return localPort === undefined ? NAME : `${NAME}_${localPort}`;
}

function cookieOf({ headers: { cookie = "" } }: Request, name: string): string | undefined {
  for (const one of cookie.split(";")) {
    const [key, ...value] = one.trim().split("=");
    if (key === name) return value.join("=");
  }
  return undefined;
}

/** Who lies here spoils their own cookie alone. */
function comesOverTls(request: Request): boolean {
  return isForwardedTls(request) || request.headers.origin?.startsWith("https://") === true;
}

function isForwardedTls(request: Request): boolean {
  return request.get("x-forwarded-proto") === "https";
}
