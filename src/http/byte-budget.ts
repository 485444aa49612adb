import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { GatewrightError } from "../errors.ts";

/** Bytes of bodies and answers that are held in memory for all clients together. */
export class ByteBudget {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes so many bytes. Throws `overloaded` when they are not free now, unless they are taken all the same. */
  take(bytes: number, allTheSame: boolean): void {
    if (!allTheSame && this.#held + bytes > this.#most) {
      throw new GatewrightError(
        "overloaded",
        "other calls hold as much memory as calls may take; nothing was changed. Try again.",
      );
    }
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** Each connection's budget: it belongs to the server, which few that hold bytes know. */
const budgets = new WeakMap<Socket, ByteBudget>();

/** Has what is held for calls on this connection counted in the budget. */
export function countIn(budget: ByteBudget, socket: Socket): void {
  budgets.set(socket, budget);
}

/** Bytes that are held for a call. */
const held = new WeakMap<ServerResponse, number>();

/** Counts bytes that are held until the call has been answered. Throws `overloaded`; see `ByteBudget`. */
export function hold(response: ServerResponse, bytes: number, allTheSame = false): void {
  const budget = budgets.get(response.req.socket);
  // A client that has gone gets no answer, and its call has no end that is still to come.
  if (budget === undefined || response.destroyed) return;
  budget.take(bytes, allTheSame);
  const before = held.get(response);
  held.set(response, (before ?? 0) + bytes);
  if (before === undefined) response.once("close", () => budget.give(held.get(response) ?? 0));
}
