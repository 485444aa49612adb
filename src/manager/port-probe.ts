import { createSocket } from "node:dgram";
import { createServer, isIPv6 } from "node:net";
import type { Listener } from "../compiler/listeners.ts";
import { GatewrightError } from "../errors.ts";

/** A listener of Gatewright's own, which no rule can have. */
export interface OwnListener extends Listener {
  /** Whose it is, with the setting: `the API (PORT)`. */
  readonly what: string;
}

/**
 * Checks that a port can be bound, before a configuration that needs it is loaded: one port of many that Caddy could
 * not bind would fail them all.
 * Throws `port_in_use` (EADDRINUSE), `port_not_permitted` (EACCES) or `config_validation_failed` (any other reason,
 * such as an address that the machine does not have). `own` names who has it, where that is Gatewright itself.
 */
export function probe({ network, address, port }: Listener, own: readonly OwnListener[] = []): Promise<void> {
  return new Promise((resolve, reject) => {
    const holder = own.find((one) => one.network === network && one.port === port);
    const fail = (error: NodeJS.ErrnoException): void => reject(refusal(address, port, error, holder));
    if (network === "udp") {
      const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
      socket.once("error", fail);
      socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve()));
      return;
    }
    const server = createServer();
    server.once("error", fail);
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function refusal(
  address: string,
  port: number,
  error: NodeJS.ErrnoException,
  holder: OwnListener | undefined,
): GatewrightError {
  const options = { cause: error };
  switch (error.code) {
    case "EADDRINUSE": {
      const held =
        holder === undefined
          ? "is already bound by another process; stop it or choose another port"
          : `is that of Gatewright itself, of ${holder.what}; choose another port`;
      return new GatewrightError("port_in_use", `port already in use: port ${port} ${held}`, options);
    }
    case "EACCES":
      return new GatewrightError(
        "port_not_permitted",
        `port ${port} is not permitted: run with CAP_NET_BIND_SERVICE, lower net.ipv4.ip_unprivileged_port_start or choose a port above 1023`,
        options,
      );
    default:
      return new GatewrightError(
        "config_validation_failed",
        `config validation failed: cannot listen on ${address} port ${port} (${error.code ?? "unknown"}); check CADDY_LISTEN_ADDRESS and the ingress's listen`,
        options,
      );
  }
}
