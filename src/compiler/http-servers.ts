import type { HttpApp, HttpServer } from "../caddy-json/config.ts";
import { dispatcher, trustedProxies } from "./client-address.ts";
import { quicPolicies } from "./connection-policies.ts";
import { addressesOf, frontDoor, isHttpPort, isShared } from "./layer4.ts";
import { sharedAddress } from "./listen-address.ts";
import type { PortUse } from "./port-use.ts";
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
  const wrappers = frontDoor(use, needs, settings);
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
    // Caddy would refuse other hosts than the connection's (421) because of a policy that asks for certificates; what a
    // connection may reach is decided at each request, by the row (caddy/handshake).
    ...(hasQuic(use, settings)
      ? { strict_sni_host: false, tls_connection_policies: quicPolicies(needs), allow_0rtt: false }
      : {}),
    routes: [{ handle: [dispatcher(settings)] }],
  };
}

function protocolsOf(use: PortUse, settings: CompilerSettings): readonly string[] {
  return [
    "h1",
    // Without TLS too: with h1 alone Caddy wraps the connections, and reloads could not hand them over (caddy/listeners).
    "h2",
    ...(use.plain && settings.h2c === true ? ["h2c"] : []),
    ...(hasQuic(use, settings) ? ["h3"] : []),
  ];
}

/** Whether the port speaks HTTP/3. QUIC would have TLS alone of what a shared port takes. */
function hasQuic(use: PortUse, settings: CompilerSettings): boolean {
  return settings.tls.http3 === true && use.tls && !isShared(use);
}

export { listenAddress } from "./listen-address.ts";
