import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import type { IngressTarget } from "../model/api.ts";
import { serviceName, targetKind } from "../model/target.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";

/** Where a target is now: its addresses, or why it has none. */
export interface TargetAddresses {
  readonly addresses: readonly string[];
  readonly reason?: string;
}

/** Longest wait for the DNS servers of an `address` target. */
const LOOKUP_TIMEOUT_MS = 2_000;

/** The name that changes of a target's addresses are told by; undefined for an `address`. */
export function watchedName(target: IngressTarget): string | undefined {
  if (targetKind(target) === "service") return serviceName(target.service ?? "");
  return target.instance?.toLowerCase();
}

/** Finds the addresses of a target without captures. Never throws. */
export async function addressesOf(
  target: IngressTarget,
  resolver: Pick<InstanceResolver, "resolve">,
): Promise<TargetAddresses> {
  const { address } = target;
  if (address !== undefined) return lookUp(address, target.resolvers);
  const resolution = resolver.resolve(watchedName(target) ?? "");
  switch (resolution.kind) {
    case "addresses":
      return { addresses: resolution.addresses };
    case "unknown":
      return { addresses: [], reason: `there is no such ${targetKind(target)}` };
    default:
      return { addresses: [], reason: resolution.reason };
  }
}

async function lookUp(name: string, servers: readonly string[] | undefined): Promise<TargetAddresses> {
  if (isIP(name) !== 0) return { addresses: [name] };
  try {
    if (servers === undefined) {
      const found = await lookup(name, { all: true, verbatim: true });
      return { addresses: found.map(({ address }) => address).sort() };
    }
    const resolver = new Resolver({ timeout: LOOKUP_TIMEOUT_MS, tries: 1 });
    resolver.setServers(servers);
    const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = [four, six].flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    if (addresses.length === 0 && four.status === "rejected") throw four.reason;
    return { addresses: addresses.sort() };
  } catch (error) {
    return { addresses: [], reason: `DNS: ${(error as NodeJS.ErrnoException).code ?? "no answer"}` };
  }
}
