import { HEADER_BYTES, OPT_BYTES, type Query, recordType } from "./protocol.ts";

const DOT = 0x2e;
/** Lowercase text of the name being read; a message is read to its end before the next one. */
const scratch = Buffer.alloc(256);

/**
 * Reads the message that nearly every client sends: one uncompressed question and nothing else, or an OPT record
 * without options. Undefined for all others, which the full parser takes; for what it reads it must say the same.
 */
export function readPlainQuery(message: Buffer): Query | undefined {
  if (!isPlainHeader(message)) return undefined;
  const additional = message[11] as number;
  const nameEnd = readName(message);
  if (nameEnd < 0) return undefined;
  const end = nameEnd + 4;
  if (message.length !== end + (additional === 0 ? 0 : OPT_BYTES)) return undefined;
  if (additional === 1 && !isPlainOpt(message, end)) return undefined;
  return {
    id: uint16(message, 0),
    opcode: 0,
    recursionDesired: ((message[2] as number) & 0x01) !== 0,
    checkingDisabled: ((message[3] as number) & 0x10) !== 0,
    question: {
      name: scratch.toString("latin1", 0, Math.max(0, nameEnd - HEADER_BYTES - 2)),
      type: uint16(message, nameEnd),
      class: uint16(message, nameEnd + 2),
      wire: message.subarray(HEADER_BYTES, end),
    },
    malformed: false,
    ...(additional === 0 ? {} : { edns: readOpt(message, end) }),
  };
}

/** A query (QR and opcode 0, TC 0) with one question, no answer or authority, at most one additional record. */
export function isPlainHeader(message: Buffer): boolean {
  if (message.length < HEADER_BYTES + 5 || ((message[2] as number) & 0xfa) !== 0) return false;
  for (let at = 4; at < 11; at++) if (message[at] !== (at === 5 ? 1 : 0)) return false;
  return (message[11] as number) <= 1;
}

/** Copies the question's name into `scratch` as lowercase text; returns the offset behind it, -1 when it is unusual. */
function readName(message: Buffer): number {
  let at = HEADER_BYTES;
  for (;;) {
    const label = message[at] as number;
    if (label === 0) return at + 1;
    const end = at + 1 + label;
    // Compression pointers and reserved lengths have the two high bits. A name has 255 octets with its end.
    if (label > 63 || end + 4 >= message.length || end - HEADER_BYTES > 254) return -1;
    if (at > HEADER_BYTES) scratch[at - HEADER_BYTES - 1] = DOT;
    for (at++; at < end; at++) {
      const byte = message[at] as number;
      // A dot inside a label is no separator; the full parser's text form cannot tell, so it must not get here.
      if (byte === DOT) return -1;
      scratch[at - HEADER_BYTES - 1] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
  }
}

/** At `at`: owner is the root, type OPT, no extended code (which a query has no use for), no options. */
export function isPlainOpt(message: Buffer, at: number): boolean {
  const plain = message[at] === 0 && message[at + 5] === 0 && uint16(message, at + 9) === 0;
  return plain && uint16(message, at + 1) === recordType.OPT;
}

function readOpt(message: Buffer, at: number): { version: number; payloadBytes: number; dnssecOk: boolean } {
  return {
    version: message[at + 6] as number,
    payloadBytes: uint16(message, at + 3),
    dnssecOk: ((message[at + 7] as number) & 0x80) !== 0,
  };
}

function uint16(message: Buffer, at: number): number {
  return ((message[at] as number) << 8) | (message[at + 1] as number);
}
