import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

/** What the backend saw of a request; its answer's body. */
export interface Seen {
  readonly backend: string;
  readonly method: string;
  readonly url: string;
  readonly host: string;
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined };
}

/**
 * An HTTP server that answers what it saw, on `/whole` when it has the whole body and else at once, echoes WebSocket messages,
 * and sends events on `/events`.
 */
export interface Backend extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  /** How many requests it got. */
  requests(): number;
}

export async function startBackend(name = "backend", address = "127.0.0.1", port = 0): Promise<Backend> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    if (request.url === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      let count = 0;
      const timer = setInterval(() => response.write(`data: ${count++}\n\n`), 50);
      response.on("close", () => clearInterval(timer));
      return;
    }
    request.resume();
    response.setHeader("content-type", "application/json");
    const answer = () => response.end(JSON.stringify(seen(name, request)));
    if (request.url === "/whole") request.on("end", answer);
    else answer();
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", (message) => socket.send(message.toString())));
  server.listen({ host: address, port });
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    address,
    requests: () => requests,
    [Symbol.asyncDispose]: () => end(server, sockets),
  };
}

function seen(backend: string, { method = "", url = "", headers }: IncomingMessage): Seen {
  return { backend, method, url, host: headers.host ?? "", headers };
}

async function end(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
