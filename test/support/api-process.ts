/**
 * Runs the API of `startApi` in a process of its own, whose memory is its alone: prints `PORT <port>` when it serves, and for
 * each line that it is sent the bytes that it holds. Needs `--expose-gc`. Argument: the options of `startApi` as JSON. Ends
 * when its standard input does.
 */
import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";
import { startApi, type TestApiOptions } from "./http-api.ts";

/** Objects and buffers, without garbage: a buffer is given back some time after the object that it belonged to. */
async function heldBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let rounds = 0; rounds < 3; ) {
    globalThis.gc?.();
    await nextTurn();
    // Calls that were answered in this turn have left garbage of their own.
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    if (heapUsed + external < least) rounds = 0;
    else rounds++;
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

const api = await startApi(JSON.parse(process.argv[2] ?? "{}") as TestApiOptions);
process.stdout.write(`PORT ${api.port}\n`);
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${await heldBytes()}\n`);
}
process.exit(0);
