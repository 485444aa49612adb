/** Joins a listen address and a port; IPv6 in brackets. */
export function listenAddress(address: string, port: number): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * The address on Caddy's network `gatewright` (caddy/listeners): one TCP socket of the process that outlives
 * configurations, so that a reload resets no connection. It lacks SO_REUSEPORT: a port of another process is an error.
 */
export function sharedAddress(address: string): string {
  return `gatewright/${address}`;
}

/** Whether an address stands for all of this machine's. */
export function isUnspecified(address: string): boolean {
  return address === "" || address === "0.0.0.0" || address === "::";
}
