import type { Socket } from "node:net";

/** What a connection does with a message: its answer, or undefined to end the connection. */
export type Respond = (message: Buffer) => Buffer | undefined;

/** How long and how much one client may hold. */
export interface TcpLimits {
  /** Time without a whole message after which the connection is closed (RFC 7766 section 6.2.3). */
  readonly idleTimeoutMs: number;
  /** A connection that announces a longer message is closed. */
  readonly longestBytes: number;
  /** A client that asks without reading its answers is cut off here. */
  readonly unreadBytes: number;
}

/**
 * Answers the messages of one connection, each with its length before it (RFC 1035 section 4.2.2), also after the client
 * has closed its side. The time runs from one whole message to the next: bytes alone keep no connection.
 */
export function serveTcp(socket: Socket, respond: Respond, limits: TcpLimits): void {
  let received: Buffer = Buffer.alloc(0);
  const idle = setTimeout(() => {
    // Whoever has not read its answers by now holds them for good.
    if (socket.writableLength > 0) socket.destroy();
    else socket.destroySoon();
  }, limits.idleTimeoutMs);
  socket.on("close", () => clearTimeout(idle));
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && !socket.destroyed) {
      const length = received.readUInt16BE(0);
      if (length > limits.longestBytes) socket.destroy();
      if (received.length < length + 2) break;
      idle.refresh();
      answer(received.subarray(2, length + 2));
      received = received.subarray(length + 2);
    }
  });

  function answer(message: Buffer): void {
    const answered = socket.writableLength > limits.unreadBytes ? undefined : respond(message);
    if (answered === undefined) {
      socket.destroy();
      return;
    }
    const length = Buffer.alloc(2);
    length.writeUInt16BE(answered.length);
    socket.write(Buffer.concat([length, answered]));
  }
}
