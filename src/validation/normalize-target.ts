import ipaddr from "ipaddr.js";
import type { IngressTarget } from "../model/api.ts";
import { targetKind } from "../model/target.ts";

/**
 * A target in the one form that is stored and answered: names in lowercase, addresses canonical, no key whose value is
 * its default or that has no meaning for the target. An instance is still as it was written.
 */
export function normalizeTarget(target: IngressTarget): IngressTarget {
  const { port, weight, mode, pause_timeout, wake, wake_timeout } = target;
  return {
    ...destinationOf(target),
    port,
    ...(weight === undefined ? {} : { weight }),
    ...(mode === undefined || mode === "active" ? {} : { mode }),
    ...(pause_timeout === undefined ? {} : { pause_timeout }),
    ...(wake === true ? { wake } : {}),
    ...(wake_timeout === undefined ? {} : { wake_timeout }),
  };
}

function destinationOf(
  target: IngressTarget,
): Pick<IngressTarget, "instance" | "service" | "address" | "resolvers"> {
  const { instance = "", service = "", address = "", resolvers } = target;
  switch (targetKind(target)) {
    case "service":
      return { service: service.toLowerCase() };
    case "address":
      return { address: canonicalHost(address), ...(resolvers === undefined ? {} : { resolvers }) };
    case "instance":
      return { instance };
  }
}

function canonicalHost(text: string): string {
  return ipaddr.isValid(text) ? ipaddr.process(text).toString() : text.toLowerCase().replace(/\.$/, "");
}
