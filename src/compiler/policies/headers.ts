import type {
  HeadersPolicy,
  RequestHeaderChanges,
  ResponseHeaderChanges,
  Upstream,
} from "../../model/api.ts";
import type { HeaderOps, PolicyHandler } from "./handler-json.ts";
import { literal, sortedEntries } from "./literal.ts";

/**
 * The changes to request headers, for the proxy itself: it makes them after it has set its own, so that they may
 * change those too, and after it has taken out what the client named in Connection.
 */
export function requestHeaderOps(
  changes: RequestHeaderChanges | undefined,
  upstream: Upstream | undefined,
): HeaderOps | undefined {
  const host = hostOf(upstream);
  const ops = headerOps(changes ?? {});
  if (host !== undefined) return { ...ops, set: { Host: [host], ...ops.set } };
  return Object.keys(ops).length === 0 ? undefined : ops;
}

/** Over TLS Caddy would send the dialled address for a host; undefined: what the client sent goes on by itself. */
function hostOf(upstream: Upstream | undefined): string | undefined {
  if (upstream?.host_header !== undefined) return literal(upstream.host_header);
  return upstream?.scheme === "https" ? "{http.request.hostport}" : undefined;
}

/** The changes to response headers; not made to pages of Gatewright's own. */
export function responseHeaderHandlers({ response }: HeadersPolicy): readonly PolicyHandler[] {
  if (response === undefined) return [];
  return [{ handler: "headers", response: { ...headerOps(response), deferred: true } }];
}

function headerOps({ add = {}, set = {}, remove = [] }: ResponseHeaderChanges): HeaderOps {
  return {
    ...(Object.keys(add).length === 0 ? {} : { add: fields(add) }),
    ...(Object.keys(set).length === 0 ? {} : { set: fields(set) }),
    ...(remove.length === 0 ? {} : { delete: [...remove].sort() }),
  };
}

function fields(map: { readonly [name: string]: string }): { readonly [name: string]: readonly string[] } {
  return Object.fromEntries(sortedEntries(map).map(([name, value]) => [name, [literal(value)]]));
}
