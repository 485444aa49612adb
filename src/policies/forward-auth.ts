import { isIP } from "node:net";
import type { HandlerRoute, HeaderOps, HeadersHandler, PolicyHandler } from "../caddy-json/handlers.ts";
import { type Transport, transportWith } from "../caddy-json/transport.ts";
import { durationMs } from "../model/duration.ts";
import { quote } from "../model/wording.ts";
import { headerNameProblem } from "./headers.ts";
import type { Policy } from "./policy.ts";

const MAX_TIMEOUT_MS = 300_000;
const DEFAULT_TIMEOUT = "10s";
const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/;

/** The reverse proxy, as Caddy's `forward_auth` directive sets it up. */
interface ForwardAuthHandler {
  readonly handler: "reverse_proxy";
  readonly dynamic_upstreams: {
    readonly source: "gatewright_host";
    readonly host: string;
    readonly port: number;
    readonly resolver?: string;
  };
  readonly rewrite: { readonly method: "GET"; readonly uri: string };
  readonly headers: { readonly request: HeaderOps };
  readonly handle_response: readonly {
    readonly match?: { readonly status_code: readonly number[] };
    readonly routes: readonly HandlerRoute[];
  }[];
  readonly transport: Transport;
}

/**
 * Asks another service before the request goes on, as Caddy's `forward_auth` directive does
 * (https://caddyserver.com/docs/caddyfile/directives/forward_auth): 2xx passes, another answer goes to the client.
 */
export const forwardAuth: Policy<"forward_auth"> = {
  key: "forward_auth",
  problems({ url, copy_headers = [], timeout = DEFAULT_TIMEOUT }, report) {
    const problem = urlProblem(url);
    if (problem !== undefined) report.refuse("url", problem);
    for (const [index, name] of copy_headers.entries()) {
      const nameProblem = headerNameProblem(name);
      if (nameProblem !== undefined) report.refuse(`copy_headers[${index}]`, nameProblem);
    }
    const timeoutMs = durationMs(timeout);
    if (timeoutMs === undefined || timeoutMs > MAX_TIMEOUT_MS)
      report.refuse("timeout", "write it as 500ms, 10s or 1m, at most 5m");
  },
  endpoints({ url }) {
    const { host, port } = endpointOf(url);
    return [{ part: "url", host, port }];
  },
  handlers({ url, copy_headers = [], timeout = DEFAULT_TIMEOUT }, _rule, settings) {
    const { host, port, tls, hostHeader, uri } = endpointOf(url);
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
        { match: { status_code: [2] }, routes: [passOn, ...copyRoutes(copy_headers)] },
        { routes: [{ handle: refuse }] },
      ],
      transport: transportWith(
        { dial_timeout: settings.timeouts.connect, response_header_timeout: timeout },
        tls ? { tls: { server_name: host } } : {},
      ),
    };
    return [handler];
  },
  // The service may decide by the path, so that it must be the one that the instance is asked for.
  set: (_value, { policies }) => (policies?.unclean_paths === undefined ? { unclean_paths: "clean" } : {}),
  modules: () => [
    "http.reverse_proxy.upstreams.gatewright_host",
    ...[...refuse, ...passOn.handle].map(({ handler }) => `http.handlers.${handler}`),
    "http.handlers.headers",
    "http.matchers.not",
  ],
};

/** The service's answer goes to the client, and is counted. */
const refuse: readonly PolicyHandler[] = [{ handler: "gatewright_count" }, { handler: "copy_response" }];

/** A route that does nothing: with no route at all the proxy would copy the answer to the client. */
const passOn: HandlerRoute = { handle: [{ handler: "vars" }] };

/** The parts of a URL that has been checked. */
function endpointOf(text: string) {
  const url = new URL(text);
  const tls = url.protocol === "https:";
  return {
    host: hostOf(url),
    port: url.port === "" ? (tls ? 443 : 80) : Number(url.port),
    tls,
    /** With the port where it is not the scheme's. */
    hostHeader: url.host,
    uri: `${url.pathname}${url.search}`,
  };
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** The URL is not repeated: its query may hold a key. */
function urlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return "it is no http or https URL, such as http://auth.example.com:9091/verify";
  }
  // Caddy expands placeholders in a URI and has no escape for them there.
  if (/[{}]/.test(text)) return "leave out { and }, or write them as %7B and %7D";
  if (url.username !== "" || url.password !== "") return "leave out user name and password";
  if (url.port === "0") return "port 0 is none that a server listens on";
  if (url.hash !== "") return "leave out #; a server never gets it";
  const host = hostOf(url);
  return isIP(host) !== 0 || DNS_NAME.test(host) ? undefined : `${quote(host)} is no host name or IP address`;
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

/** What the client sent under the name goes first; else it would pass for the service's when that sends none. */
function copyRoutes(names: readonly string[]): HandlerRoute[] {
  return names
    .map(canonicalName)
    .sort()
    .flatMap((name) => {
      const placeholder = `{http.reverse_proxy.header.${name}}`;
      return [
        { handle: [requestHeaders({ delete: [name] })] },
        {
          match: [{ not: [{ vars: { [placeholder]: [""] } }] }],
          handle: [requestHeaders({ set: { [name]: [placeholder] } })],
        },
      ];
    });
}

function requestHeaders(request: HeaderOps): HeadersHandler {
  return { handler: "headers", request };
}

/** The form in which Go keeps header names, and in which Caddy's placeholder looks for them. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
