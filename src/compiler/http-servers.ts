import type { HttpApp, HttpServer } from "../caddy-json/config.ts";
import { trustedProxies } from "./client-address.ts";
import type { PortUse } from "./config-needs.ts";
import { connectionPolicies, hasClientAuth } from "./connection-policies.ts";
import { addressesOf, frontDoor, isHttpPort, isStreamPort } from "./layer4.ts";
import { sharedAddress } from "./listen-address.ts";
import type { CompilerSettings } from "./settings.ts";
import type { TlsNeed } from "./tls-needs.ts";

/** One Caddy server for each listen port; undefined when nothing listens. */
export function httpApp(
  ports: readonly PortUse[],
  needs: readonly TlsNeed[],
  settings: CompilerSettings,
): HttpApp | undefined {
  const own = ports.filter(isHttpPort);
  if (own.length === 0) return undefined;
  return {
    // Caddy takes challenges and redirects to be on these ports, ours may differ.
    http_port: settings.httpPort,
    https_port: settings.httpsPort,
    servers: Object.fromEntries(own.map((use) => [`http-${use.port}`, httpServer(use, needs, settings)])),
  };
}

function httpServer(use: PortUse, needs: readonly TlsNeed[], settings: CompilerSettings): HttpServer {
  const policies = connectionPolicies(use.port, needs);
  const onlyTls = isOnlyTls(use);
  const wrappers = frontDoor(use, policies, settings);
  return {
    listen: addressesOf(use.listen, use.port, settings).map(sharedAddress),
    ...(wrappers.length === 0 ? {} : { listener_wrappers: wrappers }),
    automatic_https: { disable: true },
    read_header_timeout: settings.timeouts.readIdle,
    read_idle_timeout: settings.timeouts.readIdle,
    write_idle_timeout: settings.timeouts.writeIdle,
    idle_timeout: settings.timeouts.idle,
    protocols: protocolsOf(use, settings),
    ...trustedProxies(settings),
    // Caddy turns this on by itself only where it sees the policies, which a shared port hides from it.
    ...(hasClientAuth(use.port, needs) ? { strict_sni_host: true } : {}),
    ...(onlyTls ? { tls_connection_policies: policies } : {}),
    routes: [{ handle: [{ handler: "gatewright" }] }],
  };
}

function protocolsOf(use: PortUse, settings: CompilerSettings): readonly string[] {
  const onlyTls = isOnlyTls(use);
  return [
    "h1",
    // Without TLS too: with h1 alone Caddy wraps the connections, and reloads could not hand them over (caddy/listeners).
    "h2",
    ...(use.plain && settings.h2c === true ? ["h2c"] : []),
    // QUIC would have TLS alone of what a shared port takes.
    ...(onlyTls && settings.tls.http3 === true ? ["h3"] : []),
  ];
}

/** Whether the HTTP server itself ends TLS, and nothing in front of it. */
function isOnlyTls(use: PortUse): boolean {
  return use.tls && !use.plain && !isStreamPort(use);
}

export { listenAddress } from "./listen-address.ts";
