import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Where a request arrived: the place that the listener stands for, and the address that was dialled. */
export interface Arrival {
  readonly place: string;
  readonly address: string;
  readonly url: string;
}

/**
 * Backends that tell rules and instances apart: each place (a rule) has a port of its own on every loopback address,
 * so that the port tells which rule took a request, and the address which instance.
 */
export class PlaceBackends implements AsyncDisposable {
  readonly #servers = new Map<string, Server>();

  /** The port of a place; opened when it is asked for first. */
  async portOf(place: string): Promise<number> {
    let server = this.#servers.get(place);
    if (server === undefined) {
      server = createServer((request, response) => {
        const arrival: Arrival = {
          place,
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
      this.#servers.set(place, server);
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
