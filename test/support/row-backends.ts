import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Where a request arrived: the row whose listener took it, and the address that was dialled. */
export interface Arrival {
  readonly row: string;
  readonly address: string;
  readonly url: string;
}

/**
 * Backends that tell rows and instances apart: each row has a port of its own on every loopback address,
 * so that the port tells which row took a request, and the address which instance.
 */
export class RowBackends implements AsyncDisposable {
  readonly #servers = new Map<string, Server>();

  /** The port of a row; opened when it is asked for first. */
  async portOf(row: string): Promise<number> {
    let server = this.#servers.get(row);
    if (server === undefined) {
      server = createServer((request, response) => {
        const arrival: Arrival = {
          row,
          address: request.socket.localAddress ?? "",
          url: request.url ?? "",
        };
        request.resume();
        // In a header too: an answer to HEAD has no body.
        response.setHeader("X-Arrival", JSON.stringify(arrival));
        response.end(JSON.stringify(arrival));
      });
      server.listen({ host: "0.0.0.0", port: 0 });
      await once(server, "listening");
      this.#servers.set(row, server);
    }
    return (server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = [...this.#servers.values()].map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    this.#servers.clear();
    await Promise.all(closing);
  }
}
