import { Packet } from "dns2";
import { HEADER_BYTES, type Query, type Question, recordType } from "./protocol.ts";
import { readPlainQuery } from "./query.ts";

/** No honest query is longer; parsing costs time by length. */
export const LONGEST_QUERY_BYTES = 4096;
/** One OPT, perhaps a signature (TSIG, SIG(0)), or what a NOTIFY and an IXFR carry. */
const RECORDS_AT_MOST = 4;
const LONGEST_NAME_BYTES = 255;

/**
 * What a message asks, by the short way where it can be read so, else by dns2's parser; undefined for an answer and for
 * what cannot be answered. A message with more than a query has is refused (FORMERR) unparsed:
 * dns2 follows each compression pointer of each record bit by bit, in 64 KB for seconds.
 */
export function readQuery(message: Buffer): Query | undefined {
  return readPlainQuery(message) ?? readAnyQuery(message);
}

/** `readQuery` without the short way. */
export function readAnyQuery(message: Buffer): Query | undefined {
  if (message.length < HEADER_BYTES || ((message[2] as number) & 0x80) !== 0) return undefined;
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  const question = message.readUInt16BE(4) === 1 ? readQuestion(message) : undefined;
  const isBounded = records <= RECORDS_AT_MOST && message.length <= LONGEST_QUERY_BYTES;
  if (question === undefined || !isBounded) return malformed(message);
  const { header, additionals, errors } = Packet.parse(message);
  const options = additionals.filter((record) => record.type === recordType.OPT);
  const [opt] = options;
  return {
    id: header.id,
    opcode: header.opcode,
    recursionDesired: header.rd === 1,
    checkingDisabled: (header as { cd?: number }).cd === 1,
    question,
    ...(opt === undefined
      ? {}
      : { edns: { version: opt.version ?? 0, payloadBytes: opt.class, dnssecOk: opt.doFlag === true } }),
    malformed: errors.length > 0 || options.length > 1 || (opt?.name ?? "") !== "",
  };
}

function malformed(message: Buffer): Query {
  const [flags, more] = [message[2] as number, message[3] as number];
  return {
    id: message.readUInt16BE(0),
    opcode: (flags >> 3) & 0x0f,
    recursionDesired: (flags & 0x01) !== 0,
    checkingDisabled: (more & 0x10) !== 0,
    malformed: true,
  };
}

/** The question behind the header; undefined when its name is compressed (there is nothing before it), too long or cut off. */
function readQuestion(message: Buffer): Question | undefined {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    labels.push(labelText(message.subarray(at, at + length)));
    at += length;
  }
  const end = at + 4;
  if (at - HEADER_BYTES > LONGEST_NAME_BYTES || end > message.length) return undefined;
  return {
    name: labels.join("."),
    type: message.readUInt16BE(at),
    class: message.readUInt16BE(at + 2),
    wire: message.subarray(HEADER_BYTES, end),
  };
}

/** ASCII letters alone compare without case (RFC 4343). A dot in a label is no separator, and is written as RFC 1035 has it. */
function labelText(label: Buffer): string {
  return label
    .toString("latin1")
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    .replaceAll(".", "\\046");
}
