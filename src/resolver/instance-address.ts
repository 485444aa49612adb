import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import type { Instance } from "../model/api.ts";
import { specialRefusal } from "../model/special-address.ts";
import type { Resolution } from "./instance-resolver.ts";

/** States in which a virtual machine takes connections. `Initializing`: it is up, the guest's start-up still runs. */
const servingStates: ReadonlySet<string> = new Set(["Running", "Initializing"]);

/**
 * Where an instance can be reached now.
 * hypeman keeps `network.ip` of stopped instances and gives them a fresh one at the next start, so the state decides
 * first. Addresses that are no instance's are refused, above all those at which the metadata services of clouds live.
 */
export function resolveInstance(instance: Instance): Resolution {
  if (!servingStates.has(instance.state)) return noAddress(`the instance is ${instance.state}`);
  if (instance.network.enabled === false) return noAddress("the instance has no network");
  const text = instance.network.ip;
  if (text === null || text === "") return noAddress("the instance has no address");
  const address = parseAddress(text);
  if (address === undefined) return noAddress("the instance's address is not an IP address");
  const refused = specialRefusal(address);
  if (refused !== undefined) return noAddress(`the instance's address is ${refused}`);
  const canonical = address.toString();
  // Of two equal strings one is kept.
  return { kind: "addresses", addresses: [canonical === text ? text : canonical] };
}

/** An IP address in its canonical text form, IPv4-mapped IPv6 as IPv4; undefined when `text` is none. */
export function canonicalAddress(text: string): string | undefined {
  return parseAddress(text)?.toString();
}

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // ipaddr.js takes octal, hex and shortened IPv4 too; two readers of such a text may see two addresses.
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  return ipaddr.process(text);
}

function noAddress(reason: string): Resolution {
  return { kind: "no_address", reason };
}
