import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { GatewrightError } from "../errors.ts";
import { Connections } from "./connections.ts";
import type { Door } from "./door.ts";
import { defaultLimits, type HttpLimits } from "./limits.ts";
import { refuseRequest } from "./raw-answer.ts";
import { listenOnSocket, type SocketPlace } from "./unix-socket.ts";

/** A server that can be started and ended once. */
export interface HttpServer {
  /**
   * Starts to listen; port 0 takes a free one. Throws `address_in_use`, and `address_unavailable` when the address is not
   * this machine's or the port is not permitted.
   */
  listen(address: string, port: number): Promise<AddressInfo>;
  /** Starts to listen on a Unix socket. Throws `address_in_use` and `address_unavailable`. */
  listenAt(place: SocketPlace): Promise<void>;
  /**
   * Takes no new connections, lets requests under way end, and cuts what is left after `graceMs` (default 10 s).
   */
  close(graceMs?: number): Promise<void>;
}

/** Makes an HTTP server with limits on sizes, times and numbers. `door` is what it listens on. */
export function createHttpServer(
  app: RequestListener,
  limits: HttpLimits = defaultLimits,
  door: Door = "tcp",
): HttpServer {
  const { headersTimeoutMs, requestTimeoutMs, writeTimeoutMs } = limits;
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Node looks for late requests at this interval, 30 s by default: a timeout would be that much longer.
    connectionsCheckingInterval: Math.min(1000, headersTimeoutMs, requestTimeoutMs),
  });
  server.timeout = limits.idleTimeoutMs;
  const connections = new Connections(app, limits, door);
  server.on("connection", (socket: Socket) => connections.add(socket));
  server.on("request", (request, response) => connections.serve(request, response));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuseRequest(error, socket));
  const watch = setInterval(() => connections.cutStalled(), Math.min(1000, writeTimeoutMs / 4)).unref();
  return {
    listen: (address, port) => listen(server, address, port),
    listenAt: (place) => listenOnSocket(server, place),
    close: async (graceMs = 10_000) => {
      await close(server, connections, graceMs);
      clearInterval(watch);
    },
  };
}

function listen(server: Server, address: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const code = error.code === "EADDRINUSE" ? "address_in_use" : "address_unavailable";
      reject(
        new GatewrightError(
          code,
          `cannot listen on ${address} port ${port} (${error.code}); set LISTEN_ADDRESS and PORT to what is free`,
          { cause: error },
        ),
      );
    };
    server.once("error", failed);
    server.listen({ host: address, port }, () => {
      server.off("error", failed);
      resolve(server.address() as AddressInfo);
    });
  });
}

async function close(server: Server, connections: Connections, graceMs: number): Promise<void> {
  // Not http's own close(): it destroys connections whose answer has been given to the socket and not yet been sent.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  connections.close();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
  // Ends http's timer that looks for late requests; that nothing listens any more is known.
  server.close(() => undefined);
}
