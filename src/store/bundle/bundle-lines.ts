import { closeSync, constants, openSync, readSync } from "node:fs";
import { BUNDLE_NAME } from "./bundle-format.ts";

const READ_BYTES = 1024 * 1024;
/** A block of the largest documents fits; a longer line is not ours. */
const LONGEST_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The complete lines of a folder's bundle without their newlines, each valid until the next one is asked for. None
 * when there is no bundle; ends early where reading fails.
 */
export function* bundleLines(folder: string): Generator<Buffer> {
  const descriptor = openOrNone(`${folder}/${BUNDLE_NAME}`);
  if (descriptor === undefined) return;
  try {
    yield* linesOf(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Opens a file for reading, neither following a link nor waiting for a pipe's writer; undefined when it cannot be. */
export function openOrNone(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function* linesOf(descriptor: number): Generator<Buffer> {
  let buffer = Buffer.allocUnsafe(READ_BYTES);
  let length = 0;
  for (;;) {
    if (length >= LONGEST_LINE_BYTES) return;
    if (length === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
    const read = readOrNone(descriptor, buffer, length);
    if (read === 0) return;
    length += read;
    const filled = buffer.subarray(0, length);
    let start = 0;
    for (let end = filled.indexOf(NEWLINE); end !== -1; end = filled.indexOf(NEWLINE, start)) {
      yield filled.subarray(start, end);
      start = end + 1;
    }
    buffer.copyWithin(0, start, length);
    length -= start;
  }
}

function readOrNone(descriptor: number, buffer: Buffer, start: number): number {
  try {
    return readSync(descriptor, buffer, start, buffer.length - start, null);
  } catch {
    return 0;
  }
}
