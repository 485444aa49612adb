import { isIPv6 } from "node:net";

/** Where Caddy's admin endpoint is: one place for what Caddy listens on and what the client asks for. */
export interface AdminAddress {
  /**
   * For Caddy's `admin.listen`, on Gatewright's networks. A Unix socket gets mode 0600, and goes from a process to its
   * successor. A port has one socket, which a reload keeps: of two Caddy closes the older with the connections that wait
   * at it.
   */
  readonly listen: string;
  /** For Caddy's `admin.origins`; the client sends the same as `Origin`. */
  readonly origins: readonly [string];
  /** Base URL that requests go to. */
  readonly url: string;
  /** Set for a Unix socket. */
  readonly socketPath?: string;
}

/**
 * Reads `CADDY_ADMIN_ADDRESS` and `CADDY_ADMIN_PORT`.
 * @param address an IP address, a host name, or `unix//<absolute path>` (https://caddyserver.com/docs/conventions#network-addresses)
 * @param port ignored for a Unix socket
 */
export function adminAddress(address: string, port: number): AdminAddress {
  if (address.startsWith("unix/")) {
    const socketPath = address.slice("unix/".length).replace(/\|.*$/, "");
    // Caddy checks no Host on a Unix socket, and with no origin set it refuses every Origin.
    return {
      listen: `unix-gatewright/${socketPath}|0600`,
      origins: ["localhost"],
      url: "http://localhost",
      socketPath,
    };
  }
  const host = isIPv6(address) ? `[${address}]` : address;
  const hostPort = `${host}:${port}`;
  return { listen: `gatewright/${hostPort}`, origins: [hostPort], url: `http://${hostPort}` };
}

/** The same from one text: `http://127.0.0.1:2019`, `127.0.0.1:2019` or `unix//run/caddy.sock`. */
export function parseAdminUrl(text: string): AdminAddress {
  if (text.startsWith("unix/")) return adminAddress(text, 0);
  const url = new URL(text.includes("://") ? text : `http://${text}`);
  return adminAddress(url.hostname.replace(/^\[|\]$/g, ""), url.port === "" ? 80 : Number(url.port));
}
