import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import type { Matcher } from "../caddy-json/handlers.ts";
import { quote } from "../model/wording.ts";
import type { Report } from "./report.ts";

/**
 * The one form of an IP address or network: without the bits behind the prefix, IPv6 as RFC 5952 has it, an IPv4
 * network in IPv6 clothes as IPv4. Undefined for other text, and for addresses with a zone.
 */
function canonicalNetwork(text: string): string | undefined {
  const [address = "", length, ...more] = text.split("/");
  const family = isIP(address);
  const width = family === 4 ? 32 : 128;
  if (family === 0 || address.includes("%") || more.length > 0) return undefined;
  if (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= width)) return undefined;
  const bits = length === undefined ? width : Number(length);
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && bits >= 96) {
    return canonicalNetwork(`${parsed.toIPv4Address()}/${bits - 96}`);
  }
  const kind = family === 4 ? ipaddr.IPv4 : ipaddr.IPv6;
  const network = kind.networkAddressFromCIDR(`${parsed}/${bits}`);
  const shown = network instanceof ipaddr.IPv6 ? network.toRFC5952String() : network.toString();
  return bits === width ? shown : `${shown}/${bits}`;
}

export function networkProblems(networks: readonly string[] | undefined, part: string, report: Report): void {
  for (const [index, network] of (networks ?? []).entries()) {
    if (canonicalNetwork(network) !== undefined) continue;
    report.refuse(
      `${part}[${index}]`,
      `${quote(network)} is no IP address or network; write it as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32`,
    );
  }
}

/** The policy with the networks under these keys in their one form, each once. */
export function withNetworks<
  Key extends string,
  Value extends { readonly [key in Key]?: readonly string[] | undefined },
>(value: Value, keys: readonly Key[]): Value {
  const changed = keys.flatMap((key) => {
    const networks = value[key];
    return networks === undefined ? [] : [[key, normalizeNetworks(networks)] as const];
  });
  return { ...value, ...Object.fromEntries(changed) };
}

function normalizeNetworks(networks: readonly string[]): readonly string[] {
  return [...new Set(networks.map((network) => canonicalNetwork(network) ?? network))];
}

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
