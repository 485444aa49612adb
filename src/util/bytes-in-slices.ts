import { setImmediate } from "node:timers/promises";

/** Characters that are encoded, and at least bytes that are copied, at once: about a millisecond. */
const SLICE = 256 * 1024;

/** A long text in UTF-8, given in pieces and made in parts: what else waits has its turn between them. */
export async function encodeInSlices(pieces: Iterable<string>): Promise<readonly Buffer[]> {
  const parts: Buffer[] = [];
  let slice: string[] = [];
  let characters = 0;
  for (const piece of pieces) {
    slice.push(piece);
    characters += piece.length;
    if (characters < SLICE) continue;
    parts.push(Buffer.from(slice.join("")));
    slice = [];
    characters = 0;
    await setImmediate();
  }
  parts.push(Buffer.from(slice.join("")));
  return parts;
}

/** `Buffer.concat`, with turns for what else waits. */
export async function concatInSlices(parts: readonly Buffer[]): Promise<Buffer> {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = Buffer.allocUnsafe(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  let copied = 0;
  for (const part of parts) {
    end += part.copy(whole, end);
    copied += part.length;
    if (copied < SLICE) continue;
    copied = 0;
    await setImmediate();
  }
  return whole;
}
