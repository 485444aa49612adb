import ipaddr from "ipaddr.js";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { type Answer, type AnswerRecord, answer, type Zone } from "./answer.ts";
import {
  HEADER_BYTES,
  LARGEST_UDP_BYTES,
  OPT_BYTES,
  type Query,
  recordClass,
  recordType,
  responseCode,
} from "./protocol.ts";

/** A zone with its name and SOA data ready for messages. */
export interface EncodedZone extends Zone {
  readonly wireName: Buffer;
  readonly soaData: Buffer;
}

/** Fixed part of a record with a compressed owner: pointer, type, class, TTL, length. */
const RECORD_HEADER_BYTES = 12;
/** Offset of the question's name in every message, as a compression pointer (RFC 1035 section 4.1.4). */
const QUESTION_POINTER = 0xc000 | HEADER_BYTES;
const noQuestion = Buffer.alloc(0);
/** RFC 8482 section 4.2: CPU "RFC8482", OS "". */
const hinfoData = Buffer.from("\x07RFC8482\x00", "latin1");

/** Prepares a zone. `name` is lowercase without the final dot. */
export function encodeZone(name: string, ttlSeconds: number): EncodedZone {
  const wireName = encodeName(name);
  const numbers = Buffer.alloc(20);
  // Serial, refresh, retry, expire: nobody transfers this zone. Minimum: how long "nothing" is cached (RFC 2308).
  for (const [at, value] of [1, 3600, 1200, 604_800, ttlSeconds].entries())
    numbers.writeUInt32BE(value, at * 4);
  // RFC 6303 section 3, for zones that exist on one host only: the apex is its own name server.
  const soaData = Buffer.concat([wireName, encodeName("nobody.invalid"), numbers]);
  return { name, ttlSeconds, wireName, soaData };
}

/** Name in uncompressed wire form (RFC 1035 section 3.1). */
export function encodeName(name: string): Buffer {
  return Buffer.concat([
    ...name.split(".").flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, "latin1")]),
    Buffer.alloc(1),
  ]);
}

/** The answer to a message, of at most `limitBytes`; one that does not fit is cut to its question, with TC set. */
export function respond(
  query: Query,
  zone: EncodedZone,
  resolver: Pick<InstanceResolver, "resolve">,
  limitBytes: number,
): Buffer {
  const reply = judge(query, zone, resolver);
  const question = query.question?.wire ?? noQuestion;
  const edns = query.edns === undefined ? 0 : OPT_BYTES;
  const full = HEADER_BYTES + question.length + recordsBytes(reply, zone) + edns;
  return full <= limitBytes
    ? encode(query, reply, zone, full)
    : encode(
        query,
        { ...reply, records: [], negative: false, truncated: true },
        zone,
        HEADER_BYTES + question.length + edns,
      );
}

type Reply = Answer & { readonly truncated?: boolean };

/** Checks of the message come before those of the question, in the order in which later ones make sense. */
function judge(query: Query, zone: Zone, resolver: Pick<InstanceResolver, "resolve">): Reply {
  if (query.opcode !== 0) return failure(responseCode.NOTIMP);
  if (query.malformed) return failure(responseCode.FORMERR);
  if (query.edns !== undefined && query.edns.version !== 0) return failure(responseCode.BADVERS);
  return query.question === undefined
    ? failure(responseCode.FORMERR)
    : answer(query.question, zone, resolver);
}

function failure(code: number): Reply {
  return { code, authoritative: false, records: [], negative: false };
}

function recordsBytes(reply: Reply, zone: EncodedZone): number {
  let bytes = reply.negative ? RECORD_HEADER_BYTES + zone.soaData.length : 0;
  for (const record of reply.records) bytes += RECORD_HEADER_BYTES + dataBytes(record, zone);
  return bytes;
}

function dataBytes(record: AnswerRecord, zone: EncodedZone): number {
  if (record.type === "A") return 4;
  return record.type === "AAAA" ? 16 : otherData(record.type, zone).length;
}

function otherData(type: "SOA" | "NS" | "HINFO", zone: EncodedZone): Buffer {
  if (type === "SOA") return zone.soaData;
  return type === "NS" ? zone.wireName : hinfoData;
}

function encode(query: Query, reply: Reply, zone: EncodedZone, bytes: number): Buffer {
  const message = Buffer.allocUnsafe(bytes);
  const question = query.question?.wire ?? noQuestion;
  writeHeader(message, query, reply);
  message.set(question, HEADER_BYTES);
  let at = HEADER_BYTES + question.length;
  for (const record of reply.records) at = writeRecord(message, at, record, zone);
  if (reply.negative) {
    // The owner is the apex, which is the end of the question's name.
    const apex = HEADER_BYTES + question.length - 4 - zone.wireName.length;
    at = writeRecordHeader(message, at, 0xc000 | apex, recordType.SOA, zone.ttlSeconds, zone.soaData.length);
    message.set(zone.soaData, at);
    at += zone.soaData.length;
  }
  if (query.edns !== undefined) writeOpt(message, at, query.edns.dnssecOk, reply.code);
  return message;
}

function writeHeader(message: Buffer, query: Query, reply: Reply): void {
  writeUint16(message, 0, query.id);
  message[2] =
    0x80 |
    (query.opcode << 3) |
    (reply.authoritative ? 0x04 : 0) |
    (reply.truncated === true ? 0x02 : 0) |
    (query.recursionDesired ? 0x01 : 0);
  message[3] = (query.checkingDisabled ? 0x10 : 0) | (reply.code & 0x0f);
  writeUint16(message, 4, query.question === undefined ? 0 : 1);
  writeUint16(message, 6, reply.records.length);
  writeUint16(message, 8, reply.negative ? 1 : 0);
  writeUint16(message, 10, query.edns === undefined ? 0 : 1);
}

function writeRecord(message: Buffer, at: number, record: AnswerRecord, zone: EncodedZone): number {
  const bytes = dataBytes(record, zone);
  const data = writeRecordHeader(
    message,
    at,
    QUESTION_POINTER,
    recordType[record.type],
    zone.ttlSeconds,
    bytes,
  );
  if (record.type === "A") writeIpv4(message, data, record.address);
  else if (record.type === "AAAA") message.set(ipaddr.parse(record.address).toByteArray(), data);
  else message.set(otherData(record.type, zone), data);
  return data + bytes;
}

function writeRecordHeader(
  message: Buffer,
  at: number,
  owner: number,
  type: number,
  ttl: number,
  bytes: number,
): number {
  writeUint16(message, at, owner);
  writeUint16(message, at + 2, type);
  writeUint16(message, at + 4, recordClass.IN);
  writeUint16(message, at + 6, ttl >>> 16);
  writeUint16(message, at + 8, ttl);
  writeUint16(message, at + 10, bytes);
  return at + RECORD_HEADER_BYTES;
}

/** RFC 6891 section 6.1.2: the class is our payload size, the TTL holds code, version 0 and DO. */
export function writeOpt(message: Buffer, at: number, dnssecOk: boolean, code: number): void {
  message[at] = 0;
  writeUint16(message, at + 1, recordType.OPT);
  writeUint16(message, at + 3, LARGEST_UDP_BYTES);
  writeUint16(message, at + 5, (code >>> 4) << 8);
  writeUint16(message, at + 7, dnssecOk ? 0x8000 : 0);
  writeUint16(message, at + 9, 0);
}

/** Dotted decimal to four octets, without the strings that splitting would make. */
function writeIpv4(message: Buffer, at: number, address: string): void {
  let octet = 0;
  let position = at;
  for (let index = 0; index < address.length; index++) {
    const digit = address.charCodeAt(index) - 0x30;
    if (digit >= 0) octet = octet * 10 + digit;
    else {
      message[position++] = octet;
      octet = 0;
    }
  }
  message[position] = octet;
}

function writeUint16(message: Buffer, at: number, value: number): void {
  message[at] = value >>> 8;
  message[at + 1] = value;
}
