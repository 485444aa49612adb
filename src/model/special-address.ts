import ipaddr from "ipaddr.js";

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Where nothing is ever sent: what the special-purpose address registries of IANA call no destination (documentation
 * addresses apart, which labs use), several receivers, the link, and the metadata services of clouds, which give
 * credentials to whoever asks. test/cases/addresses says it case by case, for this and for caddy/resolver.
 */
const refusals: readonly (readonly [why: string, ...networks: string[]])[] = [
  ["unspecified", "0.0.0.0/8", "::/128"],
  ["link-local", "169.254.0.0/16", "fe80::/10"],
  ["multicast", "224.0.0.0/4", "ff00::/8"],
  ["broadcast", "255.255.255.255/32"],
  // RFC 7600, RFC 7050; RFC 8215: where in it the IPv4 address is, only its network knows.
  ["reserved", "192.0.0.8/32", "192.0.0.170/31", "240.0.0.0/4", "64:ff9b:1::/48"],
  // Azure, Alibaba Cloud, Oracle Cloud, AWS, Google Cloud; 169.254.169.254 is link-local.
  [
    "a metadata service of a cloud",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "fd00:ec2::/32",
    "fd20:ce::254/128",
  ],
];

/** Addresses of IPv6 that lead to one of IPv4, and the byte at which that begins. */
const embeddings: readonly (readonly [network: string, at: number])[] = [
  ["::ffff:0:0/96", 12], // mapped, RFC 4291
  ["::/96", 12], // compatible, RFC 4291
  ["::ffff:0:0:0/96", 12], // translated, RFC 2765
  ["64:ff9b::/96", 12], // NAT64, RFC 6052
  ["2002::/16", 2], // 6to4, RFC 3056
  ["2001::/32", 12], // Teredo, RFC 4380: inverted
];

/** In order: the broadcast address is in a reserved network. */
const refused = refusals.flatMap(([why, ...networks]) =>
  networks.map((cidr) => ({ why, network: ipaddr.parseCIDR(cidr) })),
);
const refusedFour = refused.filter(({ network: [address] }) => address.kind() === "ipv4");
const refusedSix = refused.filter(({ network: [address] }) => address.kind() === "ipv6");
const embedding = embeddings.map(([network, at]) => ({ at, range: ipaddr.IPv6.parseCIDR(network), network }));

/** The address, IPv4-mapped as IPv4, and the one of IPv4 that packets for it end at, if there is one. */
export function destinations(address: Address): readonly Address[] {
  if (address instanceof ipaddr.IPv4 || isHostOnly(address)) return [address];
  for (const { at, range, network } of embedding) {
    if (!address.match(range)) continue;
    const inverted = network === "2001::/32" ? 0xff : 0;
    const bytes = address.toByteArray().slice(at, at + 4);
    const inside = new ipaddr.IPv4(bytes.map((byte) => byte ^ inverted));
    return network === "::ffff:0:0/96" ? [inside] : [address, inside];
  }
  return [address];
}

/** Why nothing is ever sent to an address, as the end of "the address is …"; undefined for others. Loopback is no such. */
export function specialRefusal(address: Address): string | undefined {
  for (const one of destinations(address)) {
    for (const { why, network } of one.kind() === "ipv4" ? refusedFour : refusedSix)
      if (one.match(network)) return why;
  }
  return undefined;
}

/** `::` and `::1` are in the network of IPv4-compatible addresses, and none. */
function isHostOnly(address: Address): boolean {
  const range = address.range();
  return range === "unspecified" || range === "loopback";
}
