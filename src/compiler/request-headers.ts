import type { HeaderOps } from "../caddy-json/handlers.ts";
import { literal } from "../caddy-json/literal.ts";
import type { IngressRule, Upstream } from "../model/api.ts";
import { headerOps } from "../policies/headers.ts";

/**
 * The changes to request headers, for the proxy itself: it makes them after it has set its own, so that they may
 * change those too, and after it has taken out what the client named in Connection.
 */
export function requestHeaderOps({ policies, upstream }: IngressRule): HeaderOps | undefined {
  const host = hostOf(upstream);
  const ops = headerOps(policies?.headers?.request ?? {});
  if (host !== undefined) return { ...ops, set: { Host: [host], ...ops.set } };
  return Object.keys(ops).length === 0 ? undefined : ops;
}

/** Over TLS Caddy would send the dialled address for a host; undefined: what the client sent goes on by itself. */
function hostOf(upstream: Upstream | undefined): string | undefined {
  if (upstream?.host_header !== undefined) return literal(upstream.host_header);
  return upstream?.scheme === "https" ? "{http.request.hostport}" : undefined;
}
