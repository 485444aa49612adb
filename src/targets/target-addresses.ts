import type { IngressTarget } from "../model/api.ts";
import { serviceName, targetKind } from "../model/target.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { AddressLookup, type TargetAddresses } from "./address-lookup.ts";

/** Of this process, so that no name is asked for twice at one time. */
const system = new AddressLookup();

/** The name that changes of a target's addresses are told by; undefined for an `address`. */
export function watchedName(target: IngressTarget): string | undefined {
  if (targetKind(target) === "service") return serviceName(target.service ?? "");
  return target.instance?.toLowerCase();
}

/** Finds the addresses of a target without captures. Never throws. */
export async function addressesOf(
  target: IngressTarget,
  resolver: Pick<InstanceResolver, "resolve">,
  lookup: Pick<AddressLookup, "find"> = system,
): Promise<TargetAddresses> {
  const { address } = target;
  if (address !== undefined) return lookup.find(address, target.resolvers);
  const resolution = resolver.resolve(watchedName(target) ?? "");
  switch (resolution.kind) {
    case "addresses":
      return { addresses: resolution.addresses };
    case "unknown":
      return { addresses: [], reason: `there is no such ${targetKind(target)}` };
    case "unavailable":
      return { addresses: [], reason: resolution.reason, failed: true };
    case "no_address":
      return { addresses: [], reason: resolution.reason };
  }
}
