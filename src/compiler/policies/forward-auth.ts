import type { ForwardAuthPolicy } from "../../model/api.ts";
import type { CompilerSettings } from "../settings.ts";
import { transportWith } from "../upstream-transport.ts";
import type { ForwardAuthHandler, HandlerRoute, HeaderOps, PolicyHandler } from "./handler-json.ts";

/** The URL's parts, for dialling. */
export interface ForwardAuthEndpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Host header, with the port where it is not the scheme's. */
  readonly hostHeader: string;
  /** Path and query. */
  readonly uri: string;
}

/** Reads the URL of a forward auth service; it has been checked to be one. */
export function forwardAuthEndpoint(text: string): ForwardAuthEndpoint {
  const url = new URL(text);
  const tls = url.protocol === "https:";
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (tls ? 443 : 80) : Number(url.port),
    tls,
    hostHeader: url.host,
    uri: `${url.pathname}${url.search}`,
  };
}

/**
 * Asks the service before the request goes on, as Caddy's `forward_auth` directive does
 * (https://caddyserver.com/docs/caddyfile/directives/forward_auth): 2xx passes, another answer goes to the client.
 */
export function forwardAuthHandlers(
  policy: ForwardAuthPolicy,
  settings: CompilerSettings,
): readonly PolicyHandler[] {
  const { host, port, tls, hostHeader, uri } = forwardAuthEndpoint(policy.url);
  const inZone = host.endsWith(`.${settings.resolver.zone}`);
  const handler: ForwardAuthHandler = {
    handler: "reverse_proxy",
    dynamic_upstreams: {
      source: "gatewright_host",
      host,
      port,
      ...(inZone ? { resolver: settings.resolver.address } : {}),
    },
    rewrite: { method: "GET", uri },
    headers: { request: questionHeaders(hostHeader) },
    handle_response: [
      { match: { status_code: [2] }, routes: [passOn, ...copyRoutes(policy.copy_headers ?? [])] },
      { routes: [{ handle: [{ handler: "gatewright_count" }, { handler: "copy_response" }] }] },
    ],
    transport: transportWith(
      { dial_timeout: settings.timeouts.connect, response_header_timeout: policy.timeout ?? "10s" },
      tls ? { tls: { server_name: host } } : {},
    ),
  };
  return [handler];
}

function questionHeaders(host: string): HeaderOps {
  return {
    set: {
      Host: [host],
      "X-Forwarded-Method": ["{http.request.method}"],
      "X-Forwarded-Uri": ["{http.request.uri}"],
    },
    // The question is an ordinary request, also when what is asked about is a WebSocket.
    delete: ["Connection", "Upgrade"],
  };
}

/** A route that does nothing: with no route at all the proxy would copy the answer to the client. */
const passOn: HandlerRoute = { handle: [{ handler: "vars" }] };

/** What the client sent under the name goes first; else it would pass for the service's when that sends none. */
function copyRoutes(names: readonly string[]): HandlerRoute[] {
  return names
    .map(canonicalName)
    .sort()
    .flatMap((name) => {
      const placeholder = `{http.reverse_proxy.header.${name}}`;
      return [
        { handle: [{ handler: "headers", request: { delete: [name] } }] },
        {
          match: [{ not: [{ vars: { [placeholder]: [""] } }] }],
          handle: [{ handler: "headers", request: { set: { [name]: [placeholder] } } }],
        },
      ] satisfies HandlerRoute[];
    });
}

/** The form in which Go keeps header names, and in which Caddy's placeholder looks for them. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
