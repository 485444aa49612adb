import { BlockList } from "node:net";
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
  if (isListed(address, guard.deny)) return "is in a denied network";
  const isLocal = (): boolean =>
    range === "loopback" || guard.localAddresses().some((own) => sameAddress(own, address));
  if (guard.denyLocalPorts.includes(port) && isLocal()) return "is a listener of Gatewright itself";
  if (range === "loopback" && !guard.allowLoopback && !isListed(address, guard.allow)) {
    return "is loopback; add it to TARGET_ALLOW_CIDRS to allow it";
  }
  return undefined;
}

/** The networks of a list, parsed once: parsing took longer than all else that a create checks. */
const parsed = new WeakMap<readonly string[], BlockList>();

function isListed(address: ipaddr.IPv4 | ipaddr.IPv6, cidrs: readonly string[]): boolean {
  let list = parsed.get(cidrs);
  if (list === undefined) {
    list = new BlockList();
    for (const cidr of cidrs) {
      const [network, bits] = ipaddr.parseCIDR(cidr);
      list.addSubnet(network.toString(), bits, network.kind());
    }
    parsed.set(cidrs, list);
  }
  return list.check(address.toString(), address.kind());
}

function sameAddress(own: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return ipaddr.isValid(own) && ipaddr.process(own).toNormalizedString() === address.toNormalizedString();
}
