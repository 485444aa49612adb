import { BlockList } from "node:net";
import ipaddr from "ipaddr.js";
import { type Address, destinations, specialRefusal } from "../model/special-address.ts";

/** Which addresses an ingress may lead to. Caddy holds the same rules again when it dials (caddy/resolver). */
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
  const special = specialRefusal(address);
  if (special !== undefined) return `is ${special}`;
  for (const one of destinations(address)) {
    const refusal = refusalOf(one, port, guard);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function refusalOf(address: Address, port: number, guard: TargetGuard): string | undefined {
  const loopback = address.range() === "loopback";
  if (isListed(address, guard.deny)) return "is in a denied network";
  const isLocal = (): boolean => loopback || guard.localAddresses().some((own) => sameAddress(own, address));
  if (guard.denyLocalPorts.includes(port) && isLocal()) return "is a listener of Gatewright itself";
  if (loopback && !guard.allowLoopback && !isListed(address, guard.allow)) {
    return "is loopback; add it to TARGET_ALLOW_CIDRS to allow it";
  }
  return undefined;
}

/** The networks of a list, parsed once: parsing took longer than all else that a create checks. */
const parsed = new WeakMap<readonly string[], BlockList>();

function isListed(address: Address, cidrs: readonly string[]): boolean {
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

function sameAddress(own: string, address: Address): boolean {
  return ipaddr.isValid(own) && ipaddr.process(own).toNormalizedString() === address.toNormalizedString();
}
