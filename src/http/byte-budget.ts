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

  /** Takes so many bytes. Throws `overloaded` when they are not to be had now. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#most) {
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

/** Counts bytes that are held until the call has been answered. Throws `overloaded`. */
export function hold(response: ServerResponse, bytes: number): void {
  const budget = budgets.get(response.req.socket);
  if (budget === undefined) return;
  budget.take(bytes);
  response.once("close", () => budget.give(bytes));
}
