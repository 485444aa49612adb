/** Joins a listen address and a port; IPv6 in brackets. */
export function listenAddress(address: string, port: number): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]:${port}` : `${address}:${port}`;
}
