import { isIP } from "node:net";
import type { RequestHandler } from "express";
import ipaddr from "ipaddr.js";
import { GatewrightError } from "../errors.ts";
import { doorOf } from "./door.ts";

/**
 * Refuses requests that a browser was tricked into (DNS rebinding, requests from other sites).
 * Needed while the API is open on loopback: there, reaching it is all it takes. A token mends both by itself.
 *
 * `allowedHosts` are names or addresses without a port (the listen address, API_ALLOWED_HOSTS), beside `localhost`
 * and every loopback address.
 */
export function hostGuard(allowedHosts: readonly string[]): RequestHandler {
  const named = new Set(allowedHosts.map(canonicalHost));
  const isAllowed = (host: string): boolean => host === "localhost" || named.has(host) || isLoopback(host);
  // Another port of this machine is another origin, whoever serves it.
  const isAllowedOrigin = (origin: string): boolean => {
    const hostname = hostnameOf(origin) ?? "";
    return named.has(hostname) && !isLoopback(hostname);
  };
  return (request, _response, next) => {
    // No browser opens a Unix socket.
    if (doorOf(request) === "socket") return next();
    const { host, origin } = request.headers;
    // A Host is a host and a port, where a URL may have more.
    const hostname = /^[^/?#@\\\s]+$/.test(host ?? "") ? hostnameOf(`http://${host}`) : undefined;
    if (hostname === undefined || !isAllowed(hostname)) {
      throw new GatewrightError("Forbidden", "this Host is not allowed; API_ALLOWED_HOSTS can allow it");
    }
    if (origin !== undefined && !isSameOrigin(origin, host ?? "") && !isAllowedOrigin(origin)) {
      throw new GatewrightError("Forbidden", "requests from another origin are not allowed");
    }
    next();
  };
}

/** Host without its port, lowercase, an IPv6 address without brackets; undefined for what is no URL. */
function hostnameOf(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === "" || parsed.username !== "" || parsed.pathname !== "/")
    return undefined;
  return canonicalHost(parsed.hostname);
}

function canonicalHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

/** Whether an Origin is that of the host that is called, by whatever scheme. */
export function isSameOrigin(origin: string, host: string): boolean {
  const url = URL.parse(origin);
  return url !== null && url.host === host.toLowerCase();
}

function isLoopback(host: string): boolean {
  return isIP(host) !== 0 && ipaddr.process(host).range() === "loopback";
}
