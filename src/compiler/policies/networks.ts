import ipaddr from "ipaddr.js";
import type { Matcher } from "./handler-json.ts";

/**
 * Matches clients in one of the networks, by their true address: past TRUSTED_PROXIES and the PROXY protocol.
 * IPv4 networks come in their IPv6 form too, since proxies that listen on both name IPv4 clients so
 * (`::ffff:192.0.2.1`), and Caddy takes that for an IPv6 address.
 */
export function fromNetworks(networks: readonly string[]): Matcher {
  const ranges = [...new Set(networks)].sort();
  return { client_ip: { ranges: [...ranges, ...ranges.flatMap(mapped)] } };
}

/** Matches all other clients. */
export function outsideNetworks(networks: readonly string[]): Matcher {
  return { not: [fromNetworks(networks)] };
}

function mapped(network: string): string[] {
  const [address = "", bits = "32"] = network.split("/");
  if (!ipaddr.IPv4.isValid(address)) return [];
  return [`::ffff:${address}/${96 + Number(bits)}`];
}
