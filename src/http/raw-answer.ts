import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { toWire } from "./wire.ts";

/** Answers what Node refuses before the application sees it, and closes; Node's own answers have no body. */
export function refuseRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = refusals[error.code ?? ""] ?? 400;
  const message = (STATUS_CODES[status] ?? "").toLowerCase();
  answer(socket, status, status === 408 ? "" : "x-should-retry: false\r\n", { code: "Bad Request", message });
}

/** Refuses a connection beyond the bounds. */
export function refuseConnection(socket: Socket): void {
  socket.on("error", () => undefined);
  const message = "too many connections are open; nothing was changed. Close some, or try again.";
  answer(socket, 503, "Retry-After: 1\r\n", { code: "overloaded", message });
  socket.destroySoon();
}

function answer(socket: Socket, status: number, headers: string, error: object): void {
  const body = `${toWire(error)}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const refusals: { readonly [code: string]: number } = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};
