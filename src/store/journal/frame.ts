import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { concatInSlices, encodeInSlices } from "../../util/bytes-in-slices.ts";

// A line is `{"sum":"<CRC-32 of the record's bytes in hex>","record":<record>}`: JSON Lines, readable with jq.
const HEAD = '{"sum":"';
const MIDDLE = '","record":';
const BODY_START = HEAD.length + 8 + MIDDLE.length;

/** The line of a record, given as JSON. */
export function frame(json: string): Buffer {
  const body = Buffer.from(json);
  return Buffer.concat([Buffer.from(`${HEAD}${checksum(body)}${MIDDLE}`), body, Buffer.from("}\n")]);
}

/** The same of a long record, given in pieces: what else waits has its turn between them. */
export async function frameInSlices(pieces: Iterable<string>): Promise<Buffer> {
  const body = await encodeInSlices(pieces);
  let sum = 0;
  for (const part of body) {
    sum = crc32(part, sum);
    if (body.length > 1) await setImmediate();
  }
  return concatInSlices([Buffer.from(`${HEAD}${hex(sum)}${MIDDLE}`), ...body, Buffer.from("}\n")]);
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
