import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";

// A line is `{"sum":"<CRC-32 of the record's bytes in hex>","record":<record>}`: JSON Lines, readable with jq.
const HEAD = '{"sum":"';
const MIDDLE = '","record":';
const BODY_START = HEAD.length + 8 + MIDDLE.length;

/** The line of a record, given as JSON. */
export function frame(json: string): Buffer {
  const body = Buffer.from(json);
  return Buffer.concat([Buffer.from(`${HEAD}${checksum(body)}${MIDDLE}`), body, Buffer.from("}\n")]);
}

/** Characters that are encoded at once: about a millisecond. */
const SLICE_CHARACTERS = 256 * 1024;

/** The same of a long record, given in pieces: what else waits has its turn between them. */
export async function frameInSlices(pieces: Iterable<string>): Promise<Buffer> {
  const body = await encodeInSlices(pieces);
  let sum = 0;
  let length = 0;
  for (const part of body) {
    sum = crc32(part, sum);
    length += part.length;
    if (body.length > 1) await setImmediate();
  }
  const head = Buffer.from(`${HEAD}${hex(sum)}${MIDDLE}`);
  const line = Buffer.allocUnsafe(head.length + length + 2);
  let end = head.copy(line);
  for (const part of body) {
    end += part.copy(line, end);
    if (body.length > 1) await setImmediate();
  }
  line.write("}\n", end);
  return line;
}

async function encodeInSlices(pieces: Iterable<string>): Promise<readonly Buffer[]> {
  const body: Buffer[] = [];
  let slice: string[] = [];
  let characters = 0;
  for (const piece of pieces) {
    slice.push(piece);
    characters += piece.length;
    if (characters < SLICE_CHARACTERS) continue;
    body.push(Buffer.from(slice.join("")));
    slice = [];
    characters = 0;
    await setImmediate();
  }
  body.push(Buffer.from(slice.join("")));
  return body;
}

/** The bytes of the record in a line, which is given without its newline; undefined when it is damaged. */
export function unframe(line: Buffer): Buffer | undefined {
  const body = line.subarray(BODY_START, -1);
  const expected = `${HEAD}${checksum(body)}${MIDDLE}`;
  const isWhole = line.at(-1) === 0x7d && line.toString("latin1", 0, BODY_START) === expected;
  return isWhole ? body : undefined;
}

function checksum(body: Buffer): string {
  return hex(crc32(body));
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}
