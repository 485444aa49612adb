import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { ByteBudget, countIn } from "./byte-budget.ts";
import { clientOf } from "./client.ts";
import { type Door, noteDoor } from "./door.ts";
import type { HttpLimits } from "./limits.ts";
import { refuseConnection } from "./raw-answer.ts";

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** One connection. */
interface Connection {
  /** See `clientOf`. */
  readonly client: string;
  /** A call is being answered. */
  isBusy: boolean;
  /** Sent before the one before was answered (RFC 9112 section 9.3.2). */
  readonly waiting: Call[];
  /** Bytes that the kernel took, and when their number last changed or nothing was left to take. */
  sent: number;
  progressAtMs: number;
}

/**
 * The connections of a server: bounded in number for each client and in all, one call at a time on each, and cut when
 * the client does not take its answer.
 *
 * Node's server begins every call that it reads. A client that sends many and reads nothing would have all their
 * answers made and kept in memory.
 */
export class Connections {
  readonly #listener: RequestListener;
  readonly #limits: HttpLimits;
  readonly #budget: ByteBudget;
  readonly #door: Door;
  /** In the order in which they were last idle: the first has been so for longest. */
  readonly #open = new Map<Socket, Connection>();
  /** Client → number of its connections. */
  readonly #clients = new Map<string, number>();
  #isClosing = false;

  constructor(listener: RequestListener, limits: HttpLimits, door: Door = "tcp") {
    this.#listener = listener;
    this.#door = door;
    this.#limits = limits;
    this.#budget = new ByteBudget(limits.bytesHeld);
  }

  /** Takes a new connection in, in place of an idle one where the bound is reached; else refuses it with a 503. */
  add(socket: Socket): void {
    noteDoor(socket, this.#door);
    const client = clientOf(socket.remoteAddress);
    const { connections, connectionsOfClient } = this.#limits;
    const isRoom =
      ((this.#clients.get(client) ?? 0) < connectionsOfClient || this.#dropIdle(client)) &&
      (this.#open.size < connections || this.#dropIdle());
    if (!isRoom) {
      refuseConnection(socket);
      return;
    }
    countIn(this.#budget, socket);
    this.#clients.set(client, (this.#clients.get(client) ?? 0) + 1);
    this.#open.set(socket, { client, isBusy: false, waiting: [], sent: 0, progressAtMs: performance.now() });
    socket.once("close", () => this.#remove(socket));
  }

  /** Answers a call when those before it on its connection have been answered. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#open.get(socket);
    // The rest of what a connection that was cut had sent.
    if (connection === undefined || socket.destroyed) return;
    if (!connection.isBusy) this.#begin(socket, connection, { request, response });
    else if (connection.waiting.length >= this.#limits.waitingRequests) socket.destroy();
    else connection.waiting.push({ request, response });
  }

  /** Cuts connections whose client takes nothing of its answer. To be called again and again. */
  cutStalled(): void {
    const now = performance.now();
    for (const [socket, connection] of this.#open) {
      const unsent = socket.writableLength;
      const sent = socket.bytesWritten - unsent;
      if (unsent === 0 || sent !== connection.sent) {
        connection.sent = sent;
        connection.progressAtMs = now;
      } else if (now - connection.progressAtMs > this.#limits.writeTimeoutMs) {
        socket.destroy();
      }
    }
  }

  /** Ends idle connections now, and each other one after the answer under way. */
  close(): void {
    this.#isClosing = true;
    for (const [socket, { isBusy }] of this.#open) if (!isBusy) socket.destroy();
  }

  #begin(socket: Socket, connection: Connection, { request, response }: Call): void {
    connection.isBusy = true;
    response.once("close", () => {
      connection.isBusy = false;
      // Its client has gone.
      if (!this.#open.delete(socket)) return;
      this.#open.set(socket, connection);
      const next = connection.waiting.shift();
      // Written whole; no further request will be taken.
      if (this.#isClosing) socket.end();
      else if (next !== undefined) this.#begin(socket, connection, next);
    });
    this.#listener(request, response);
  }

  /** Makes room by ending the connection that has been idle for longest, of this client or of any. */
  #dropIdle(client?: string): boolean {
    for (const [socket, connection] of this.#open) {
      if (connection.isBusy || (client !== undefined && connection.client !== client)) continue;
      this.#remove(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  #remove(socket: Socket): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    this.#open.delete(socket);
    const left = (this.#clients.get(connection.client) ?? 1) - 1;
    if (left === 0) this.#clients.delete(connection.client);
    else this.#clients.set(connection.client, left);
  }
}
