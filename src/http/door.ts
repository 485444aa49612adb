import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { isIP } from "node:net";

/**
 * By which way a call came: `tcp` is LISTEN_ADDRESS; `socket` is a Unix socket, which the operating system lets only those open
 * who may; `caddy` is the socket that Caddy alone opens, for calls to API_HOSTNAME.
 */
export type Door = "tcp" | "socket" | "caddy";

const doors = new WeakMap<Socket, Door>();

/** Notes by which way a connection came. */
export function noteDoor(socket: Socket, door: Door): void {
  doors.set(socket, door);
}

/** By which way a call came; `tcp` where nobody noted it. */
export function doorOf({ socket }: Pick<IncomingMessage, "socket">): Door {
  return doors.get(socket) ?? "tcp";
}

/**
 * The IP address of the client; undefined for a Unix socket. Of calls that Caddy passes on it is what Caddy says, which sets the
 * header in place of what the client sent (caddy/policies/forwarded.go); of all others the header means nothing.
 */
export function clientAddressOf(request: Pick<IncomingMessage, "socket" | "headers">): string | undefined {
  if (doorOf(request) !== "caddy") return request.socket.remoteAddress;
  const told = request.headers["x-real-ip"];
  return typeof told === "string" && isIP(told) !== 0 ? told : undefined;
}
