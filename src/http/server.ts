import { createServer, type RequestListener, type Server, STATUS_CODES } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { GatewrightError } from "../errors.ts";
import { defaultLimits, type HttpLimits } from "./limits.ts";
import { toWire } from "./wire.ts";

/** A server that can be started and ended once. */
export interface HttpServer {
  /**
   * Starts to listen; port 0 takes a free one. Throws `address_in_use`, and `address_unavailable` when the address is not
   * this machine's or the port is not permitted.
   */
  listen(address: string, port: number): Promise<AddressInfo>;
  /**
   * Takes no new connections, lets requests under way end, and cuts what is left after `graceMs` (default 10 s).
   */
  close(graceMs?: number): Promise<void>;
}

/** Makes an HTTP server with limits on sizes and times. */
export function createHttpServer(app: RequestListener, limits: HttpLimits = defaultLimits): HttpServer {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // Node looks for late requests at this interval, 30 s by default: a timeout would be that much longer.
      connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs, limits.requestTimeoutMs),
    },
    app,
  );
  server.timeout = limits.idleTimeoutMs;
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket));
  const connections = trackConnections(server);
  return {
    listen: (address, port) => listen(server, address, port),
    close: (graceMs = 10_000) => close(server, connections, graceMs),
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

/** Connections, and whether a request is being answered on each. */
type Connections = Map<Socket, boolean>;

function trackConnections(server: Server): Connections {
  const connections: Connections = new Map();
  server.on("connection", (socket: Socket) => {
    connections.set(socket, false);
    socket.once("close", () => connections.delete(socket));
  });
  server.on("request", ({ socket }, response) => {
    connections.set(socket, true);
    response.once("close", () => {
      connections.set(socket, false);
      // Written whole; no further request will be taken.
      if (!server.listening) socket.end();
    });
  });
  return connections;
}

async function close(server: Server, connections: Connections, graceMs: number): Promise<void> {
  // Not http's own close(): it destroys connections whose answer has been given to the socket and not yet been sent.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  for (const [socket, isBusy] of connections) if (!isBusy) socket.destroy();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
  // Ends http's timer that looks for late requests; that nothing listens any more is known.
  server.close(() => undefined);
}

/** What Node refuses before the application sees it; Node's own answers have no body. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = refusals[error.code ?? ""] ?? 400;
  const reason = STATUS_CODES[status] ?? "";
  const body = `${toWire({ code: "Bad Request", message: reason.toLowerCase() })}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `${status === 408 ? "" : "x-should-retry: false\r\n"}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const refusals: { readonly [code: string]: number } = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};
