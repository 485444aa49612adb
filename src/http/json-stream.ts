import { setImmediate as nextTurn } from "node:timers/promises";
import type { Response } from "express";
import { hold } from "./byte-budget.ts";
import { PIECE_BYTES, pieces, toWire } from "./wire.ts";

/** Items that are looked at before the clock is. */
const BATCH_SIZE = 500;
/** After so long other requests are served, whether items match or not. */
const SLICE_MS = 5;

/** The items that match, in batches; other requests are served meanwhile. */
export async function* matching<Item>(
  items: Iterable<Item>,
  matches: (item: Item) => boolean,
): AsyncGenerator<readonly Item[]> {
  let batch: Item[] = [];
  let looked = 0;
  let beganMs = performance.now();
  for (const item of items) {
    if (matches(item)) batch.push(item);
    if (++looked % BATCH_SIZE !== 0) continue;
    if (batch.length > 0) yield batch;
    batch = [];
    if (performance.now() - beganMs < SLICE_MS) continue;
    await nextTurn();
    beganMs = performance.now();
  }
  yield batch;
}

/** Answers 200 with a JSON array, written as the iteration goes; see `JsonAnswer`. */
export async function streamJsonArray(
  response: Response,
  batches: AsyncIterable<readonly unknown[]> | Iterable<readonly unknown[]>,
): Promise<void> {
  const answer = new JsonAnswer(response);
  let separator = "[";
  for await (const batch of batches) {
    for (const item of batch) {
      answer.addItem(separator, item);
      separator = ",";
      if (!(await answer.flush())) return;
    }
  }
  answer.end(`${separator === "[" ? "[" : ""}]\n`);
}

/** Answers 200 with JSON that comes in texts; see `JsonAnswer`. */
export async function streamText(response: Response, texts: AsyncIterable<string>): Promise<void> {
  const answer = new JsonAnswer(response);
  for await (const text of texts) {
    answer.add(text);
    if (!(await answer.flush())) return;
  }
  answer.end("");
}

/** Answers with bytes, written as they come: a slow client slows them down. */
export async function streamBytes(response: Response, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of bytes) {
    if (!response.write(piece)) await drained(response);
    if (response.destroyed) return;
  }
  response.end();
}

/**
 * An answer of JSON that is written as it is made: a slow client slows its making down, and other requests are served
 * meanwhile. What is held of a large piece until the client has taken it counts as a large answer does; then `flush` throws
 * `overloaded`.
 */
class JsonAnswer {
  readonly #response: Response;
  #chunk = "";
  /** A piece of each answer is not counted. */
  #held = PIECE_BYTES;

  constructor(response: Response) {
    this.#response = response;
    response.statusCode = 200;
    response.setHeader("Content-Type", "application/json");
  }

  add(text: string): void {
    this.#chunk += text;
  }

  /** Made here, and not by who waits for `flush`: a function that waits keeps its last values, and this text is large. */
  addItem(separator: string, item: unknown): void {
    this.#chunk += separator + toWire(item);
  }

  /** Writes what there is, once it is worth it. Returns whether the client is still there. */
  async flush(): Promise<boolean> {
    if (this.#chunk.length < PIECE_BYTES) return true;
    const bytes = this.#takeBytes();
    if (bytes.length > this.#held) hold(this.#response, bytes.length - this.#held);
    this.#held = Math.max(this.#held, bytes.length);
    for (const piece of pieces(bytes)) {
      if (!this.#response.write(piece)) await drained(this.#response);
      if (this.#response.destroyed) return false;
    }
    await nextTurn();
    return true;
  }

  #takeBytes(): Buffer {
    const bytes = Buffer.from(this.#chunk);
    this.#chunk = "";
    return bytes;
  }

  end(text: string): void {
    this.#response.end(this.#chunk + text);
  }
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
