/** How long an address counts: the one place where that is decided; docs/dns.md tells it. */

/** In answers of our DNS, for clients that are told nothing of a change. */
export const DNS_TTL_SECONDS = 5;

/** In Caddy at the least, since it is told of every change at once (docs/decisions/0003-addresses-are-pushed.md). */
export const CADDY_TTL = "5m";
