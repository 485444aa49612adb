import { setImmediate as nextTurn } from "node:timers/promises";
import type { Response } from "express";
import { hold } from "./byte-budget.ts";
import { PIECE_BYTES, pieces, toWire } from "./wire.ts";

/** After so many items other requests are served, whether they match or not. */
const BATCH_SIZE = 500;

/** The items that match, in batches between which other requests are served. */
export async function* matching<Item>(
  items: Iterable<Item>,
  matches: (item: Item) => boolean,
): AsyncGenerator<readonly Item[]> {
  let batch: Item[] = [];
  let looked = 0;
  for (const item of items) {
    if (matches(item)) batch.push(item);
    if (++looked % BATCH_SIZE !== 0) continue;
    yield batch;
    batch = [];
    await nextTurn();
  }
  yield batch;
}

/** Answers 200 with a JSON array, written as the iteration goes; see `streamText`. */
export function streamJsonArray(
  response: Response,
  batches: AsyncIterable<readonly unknown[]> | Iterable<readonly unknown[]>,
): Promise<void> {
  return streamText(response, arrayText(batches));
}

async function* arrayText(
  batches: AsyncIterable<readonly unknown[]> | Iterable<readonly unknown[]>,
): AsyncGenerator<string> {
  let separator = "[";
  for await (const batch of batches) {
    for (const item of batch) {
      yield separator + toWire(item);
      separator = ",";
    }
  }
  yield `${separator === "[" ? "[" : ""}]\n`;
}

/**
 * Answers 200 with JSON that comes in texts, written as the iteration goes: a slow client slows the iteration down, and
 * other requests are served meanwhile. Stops when the client goes away. What is held of a large text until the client has
 * taken it counts as a large answer does; throws `overloaded`.
 */
export async function streamText(response: Response, texts: AsyncIterable<string>): Promise<void> {
  response.statusCode = 200;
  response.setHeader("Content-Type", "application/json");
  let chunk = "";
  // A piece of each answer is not counted.
  let held = PIECE_BYTES;
  for await (const text of texts) {
    chunk += text;
    if (chunk.length < PIECE_BYTES) continue;
    const bytes = Buffer.from(chunk);
    chunk = "";
    if (bytes.length > held) hold(response, bytes.length - held);
    held = Math.max(held, bytes.length);
    for (const piece of pieces(bytes)) {
      if (!response.write(piece)) await drained(response);
      if (response.destroyed) return;
    }
    await nextTurn();
  }
  response.end(chunk);
}

/** Resolves when the client has taken what was written, or has gone away. */
function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
    // The connection may have closed before the listener was there.
    if (response.destroyed) done();
  });
}
