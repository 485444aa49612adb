import ipaddr from "ipaddr.js";

/** Which addresses an ingress may lead to. Caddy holds the same rules again when it dials (caddy/upstreams). */
export interface TargetGuard {
  /** CIDRs that are never dialled. */
  readonly deny: readonly string[];
  /** Ports of our own listeners: refused on every address of this machine. */
  readonly denyLocalPorts: readonly number[];
  readonly allowLoopback: boolean;
  /** CIDRs allowed in spite of `allowLoopback: false`. */
  readonly allow: readonly string[];
  /** Addresses of this machine's interfaces, at present. */
  readonly localAddresses: () => readonly string[];
}

/** Why requests may not go to `ip:port`, in words; undefined when they may. */
export function targetRefusal(ip: string, port: number, guard: TargetGuard): string | undefined {
  if (!ipaddr.isValid(ip)) return "is not an IP address";
  const address = ipaddr.process(ip);
  const range = address.range();
  if (range === "linkLocal") return "is link-local";
  if (range === "unspecified" || range === "multicast" || range === "broadcast") return `is ${range}`;
  if (guard.deny.some((cidr) => contains(cidr, address))) return "is in a denied network";
  const local = range === "loopback" || guard.localAddresses().some((own) => sameAddress(own, address));
  if (local && guard.denyLocalPorts.includes(port)) return "is a listener of Gatewright itself";
  if (range === "loopback" && !guard.allowLoopback && !guard.allow.some((cidr) => contains(cidr, address))) {
    return "is loopback; add it to TARGET_ALLOW_CIDRS to allow it";
  }
  return undefined;
}

function contains(cidr: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  const [network, bits] = ipaddr.parseCIDR(cidr);
  return network.kind() === address.kind() && address.match(network, bits);
}

function sameAddress(own: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return ipaddr.isValid(own) && ipaddr.process(own).toNormalizedString() === address.toNormalizedString();
}
