import type { Config } from "../config.ts";
import type { OwnListener } from "../manager/port-probe.ts";

/** Where Gatewright itself and Caddy's admin endpoint listen. A port of 0 is chosen at the start. */
export function ownListeners({ api, caddy, dns, tls }: Config): readonly OwnListener[] {
  const nameServer = { what: "the DNS server (INTERNAL_DNS_PORT)", address: dns.address, port: dns.port };
  return [
    ...api.addresses.map((address) => ({
      what: "the API (PORT)",
      network: "tcp" as const,
      address,
      port: api.port,
    })),
    ...(caddy.adminPort === undefined
      ? []
      : [
          {
            what: "Caddy's admin endpoint (CADDY_ADMIN_PORT)",
            network: "tcp" as const,
            address: caddy.adminAddress,
            port: caddy.adminPort,
          },
        ]),
    { ...nameServer, network: "udp" },
    { ...nameServer, network: "tcp" },
    ...(tls.onDemand
      ? [
          {
            what: "the answers to Caddy before an order",
            network: "tcp" as const,
            address: "127.0.0.1",
            port: tls.askPort,
          },
        ]
      : []),
  ];
}

/** Their ports, which no target may reach on this machine. */
export function ownPorts(config: Config): readonly number[] {
  return [...new Set(ownListeners(config).map(({ port }) => port))];
}
