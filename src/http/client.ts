import ipaddr from "ipaddr.js";

/**
 * Who is at the other end of a connection, for counting: an IPv4 address, or the /64 of an IPv6 address, in which one
 * machine has as many addresses as it wants (RFC 4291 section 2.5.4). "" for a Unix socket.
 */
export function clientOf(remoteAddress: string | undefined): string {
  if (remoteAddress === undefined || !ipaddr.isValid(remoteAddress)) return "";
  const address = ipaddr.process(remoteAddress);
  if (address.kind() === "ipv4") return address.toString();
  const network = [...address.toByteArray().slice(0, 8), ...new Array<number>(8).fill(0)];
  return `${ipaddr.fromByteArray(network)}/64`;
}
