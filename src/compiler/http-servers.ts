import type { HttpApp, HttpServer } from "./caddy-json.ts";
import type { CompilerSettings } from "./settings.ts";
import type { PortUse } from "./structure.ts";

/** One Caddy server for each listen port; undefined when nothing listens. */
export function httpApp(ports: readonly PortUse[], settings: CompilerSettings): HttpApp | undefined {
  if (ports.length === 0) return undefined;
  return {
    // Caddy takes challenges and redirects to be on these ports, ours may differ.
    http_port: settings.httpPort,
    https_port: settings.httpsPort,
    servers: Object.fromEntries(ports.map((use) => [`http-${use.port}`, httpServer(use, settings)])),
  };
}

function httpServer(use: PortUse, settings: CompilerSettings): HttpServer {
  return {
    listen: [listenAddress(settings.listenAddress, use.port)],
    ...(use.tls && use.plain ? { listener_wrappers: sharedPort } : {}),
    automatic_https: { disable: true },
    read_header_timeout: settings.timeouts.readIdle,
    read_idle_timeout: settings.timeouts.readIdle,
    write_idle_timeout: settings.timeouts.writeIdle,
    idle_timeout: settings.timeouts.idle,
    protocols: ["h1", "h2"],
    ...(use.tls && !use.plain ? { tls_connection_policies: [{}] } : {}),
    routes: [{ handle: [{ handler: "gatewright" }] }],
  };
}

/**
 * TLS and plain HTTP on one port: with connection policies Caddy answers plain requests with "HTTP request to an
 * HTTPS server", so TLS is ended in front of the server, for connections that begin with a ClientHello.
 */
const sharedPort = [
  { wrapper: "layer4", routes: [{ match: [{ tls: {} }], handle: [{ handler: "tls" }] }] },
] as const;

/** Joins a listen address and a port; IPv6 in brackets. */
export function listenAddress(address: string, port: number): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]:${port}` : `${address}:${port}`;
}
