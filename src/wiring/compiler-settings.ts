import { join } from "node:path";
import { adminAddress } from "../caddy/admin-address.ts";
import { caddyLogging } from "../caddy/log-settings.ts";
import { listenAddress } from "../compiler/http-servers.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import type { Config } from "../config.ts";

/** Networks that no target may be in: metadata services and neighbours on the link (RFC 3927, RFC 4291). */
export const deniedNetworks = ["169.254.0.0/16", "fe80::/10"] as const;

/** Least time that Caddy keeps an address: the manager pushes every change (docs/decisions/0003). */
const minTtl = "30s";

const caddyLevels = { debug: "DEBUG", info: "INFO", warn: "WARN", error: "ERROR" } as const;

/** Folder of Caddy's files. */
export function caddyFolder(config: Config): string {
  return join(config.dataDir, "caddy");
}

/** Where the token for DNS-01 is kept, so that no configuration holds it. */
export function cloudflareTokenPath(config: Config): string {
  return join(caddyFolder(config), "cloudflare.token");
}

/** Ports of our own listeners, which no target may reach on this machine. */
export function ownPorts({ api, caddy, dns }: Config): readonly number[] {
  return [api.port, caddy.adminPort, dns.port];
}

/** The settings that the compiler renders into Caddy's configuration. */
export function compilerSettings(config: Config): CompilerSettings {
  const { caddy, dns, log, security } = config;
  const { listen, origins } = adminAddress(caddy.adminAddress, caddy.adminPort);
  const timeouts = Object.entries(caddy.timeouts).map(([name, { text }]) => [name, text]);
  return {
    listenAddress: caddy.listenAddress,
    httpPort: caddy.httpPort,
    httpsPort: caddy.httpsPort,
    folder: caddyFolder(config),
    admin: { listen, origins },
    logging: caddyLogging(caddyFolder(config), caddyLevels[log.levels["caddy"] ?? log.level]),
    resolver: { address: listenAddress(dns.address, dns.port), zone: dns.zone, min_ttl: minTtl },
    guard: {
      deny: deniedNetworks,
      deny_local_ports: ownPorts(config),
      allow_loopback: config.api.loopback,
      allow: security.targetAllowCidrs,
    },
    timeouts: Object.fromEntries(timeouts) as CompilerSettings["timeouts"],
    ...acmeSettings(config),
  };
}

function acmeSettings(config: Config): Pick<CompilerSettings, "acme"> {
  const { acme } = config.tls;
  if (acme === undefined) return {};
  const { email, ca, dns } = acme;
  if (dns === undefined) return { acme: { email, ca } };
  const { propagationTimeout, resolvers } = dns;
  return {
    acme: {
      email,
      ca,
      dns: {
        apiToken: `{file.${cloudflareTokenPath(config)}}`,
        ...(propagationTimeout === undefined ? {} : { propagationTimeout: propagationTimeout.text }),
        ...(resolvers.length === 0 ? {} : { resolvers }),
      },
    },
  };
}
