import { HEADER_BYTES, OPT_BYTES, recordType } from "./protocol.ts";
import { isPlainHeader, isPlainOpt } from "./query.ts";
import { encodeName, writeOpt } from "./response.ts";

/** Room for the part of a name below the zone, the type and the records: one cache line. */
const SLOT_BYTES = 64;
/** Octets of the name's part, octets of the records, number of records, type; the part and the records follow. */
const SLOT_HEADER_BYTES = 4;
const FEWEST_SLOTS = 1024;
/** 16 MB, which is enough for 131,072 answers. */
const MOST_SLOTS = 262_144;
/** A table that is half full is replaced by one so many times larger. */
const GROWTH = 2;
/** An answer is in one of so many slots one after another. */
const CANDIDATES = 8;
/** Type and class, which follow the question's name. */
const TYPE_AND_CLASS_BYTES = 4;

/**
 * Short answers with addresses in wire form, found by the octets of their question: a name that is asked again costs
 * neither text nor a walk through objects. A cache: it may lose any answer, and whoever keeps one here must forget its
 * name when the answer changes.
 */
export class PacketCache {
  /** The zone's name in wire form; questions that write it in another case are not kept. */
  readonly #zone: Buffer;
  #table = Buffer.alloc(FEWEST_SLOTS * SLOT_BYTES);
  #used = 0;

  constructor(zoneWireName: Buffer) {
    this.#zone = zoneWireName;
  }

  /** The whole answer to a message in a buffer of its own; undefined when none is kept for it. */
  answer(message: Buffer): Buffer | undefined {
    if (!isPlainHeader(message)) return undefined;
    const hasOpt = message[11] === 1;
    const end = hasOpt ? message.length - OPT_BYTES : message.length;
    const partEnd = this.#partEnd(message, end);
    if (partEnd < 0) return undefined;
    // What is kept is smaller than any limit that EDNS can set, so only its version matters.
    if (hasOpt && (!isPlainOpt(message, end) || message[end + 6] !== 0)) return undefined;
    const slot = this.#find(message, partEnd, end);
    return slot < 0 ? undefined : this.#write(slot, message, end);
  }

  /** Keeps the answer to a message, whose only question ends at `end`, unless it is long or has no address. */
  keep(message: Buffer, end: number, answer: Buffer): void {
    const partEnd = this.#partEnd(message, end);
    const recordsEnd = answer.length - (answer[11] === 0 ? 0 : OPT_BYTES);
    if (partEnd < 0 || !hasAddresses(answer, end)) return;
    if (SLOT_HEADER_BYTES + partEnd - HEADER_BYTES + recordsEnd - end > SLOT_BYTES) return;
    if (this.#used * SLOT_BYTES * 2 >= this.#table.length) this.#grow();
    const slot = this.#freeSlot(message, HEADER_BYTES, partEnd);
    const table = this.#table;
    if (table[slot] === 0) this.#used++;
    table[slot] = partEnd - HEADER_BYTES;
    table[slot + 1] = recordsEnd - end;
    table[slot + 2] = answer[7] as number;
    table[slot + 3] = message[end - 3] as number;
    message.copy(table, slot + SLOT_HEADER_BYTES, HEADER_BYTES, partEnd);
    answer.copy(table, slot + SLOT_HEADER_BYTES + partEnd - HEADER_BYTES, end, recordsEnd);
  }

  /** Forgets all answers about a name below the zone, in text form, whatever their type and the case of the question. */
  forget(name: string): void {
    const wire = encodeName(name);
    let slot = this.#firstSlot(wire, 0, wire.length - 1);
    for (let tried = 0; tried < CANDIDATES; tried++) {
      if (this.#table[slot] !== 0) this.#used--;
      this.#table[slot] = 0;
      slot = this.#after(slot);
    }
  }

  forgetAll(): void {
    if (this.#used > 0) this.#renew(this.#table.length);
  }

  /** Moves what is kept to a larger table: a pause of a few milliseconds at the largest sizes. */
  #grow(): void {
    const former = this.#table;
    // A table of the largest size goes on: an answer more replaces another.
    if (former.length >= MOST_SLOTS * SLOT_BYTES) return;
    this.#renew(former.length * GROWTH);
    for (let from = 0; from < former.length; from += SLOT_BYTES) {
      if (former[from] === 0) continue;
      const part = from + SLOT_HEADER_BYTES;
      const slot = this.#freeSlot(former, part, part + (former[from] as number));
      if (this.#table[slot] === 0) this.#used++;
      former.copy(this.#table, slot, from, from + SLOT_BYTES);
    }
  }

  #renew(bytes: number): void {
    this.#table = Buffer.alloc(bytes);
    this.#used = 0;
  }

  /** Where the part of the question's name below the zone ends; -1 when there is none, or it is no question. */
  #partEnd(message: Buffer, end: number): number {
    const zone = this.#zone;
    const partEnd = end - TYPE_AND_CLASS_BYTES - zone.length;
    if (partEnd <= HEADER_BYTES) return -1;
    for (let at = 0; at < zone.length; at++) if (message[partEnd + at] !== zone[at]) return -1;
    return partEnd;
  }

  #find(message: Buffer, partEnd: number, end: number): number {
    const table = this.#table;
    if (message[end - 4] !== 0 || message[end - 2] !== 0 || message[end - 1] !== 1) return -1;
    const type = message[end - 3];
    let slot = this.#firstSlot(message, HEADER_BYTES, partEnd);
    for (let tried = 0; tried < CANDIDATES && table[slot] !== 0; tried++) {
      if (table[slot + 3] === type && isPart(table, slot, message, partEnd)) return slot;
      slot = this.#after(slot);
    }
    return -1;
  }

  /** For a part of a name; the first of its slots where none is free. */
  #freeSlot(bytes: Buffer, start: number, end: number): number {
    const first = this.#firstSlot(bytes, start, end);
    let slot = first;
    for (let tried = 0; tried < CANDIDATES; tried++) {
      if (this.#table[slot] === 0) return slot;
      slot = this.#after(slot);
    }
    return first;
  }

  /** From a hash of the name's part (FNV-1a) that does not tell upper from lower case. */
  #firstSlot(bytes: Buffer, start: number, end: number): number {
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ ((bytes[at] as number) | 0x20), 0x01000193);
    return ((hash ^ (hash >>> 15)) & (this.#table.length / SLOT_BYTES - 1)) * SLOT_BYTES;
  }

  #after(slot: number): number {
    const next = slot + SLOT_BYTES;
    return next === this.#table.length ? 0 : next;
  }

  #write(slot: number, message: Buffer, end: number): Buffer {
    const table = this.#table;
    const records = table[slot + 1] as number;
    const additional = message[11] as number;
    const answer = Buffer.allocUnsafe(end + records + additional * OPT_BYTES);
    // QR and AA; RD and CD as they came.
    for (let at = 0; at < end; at++) answer[at] = message[at] as number;
    answer[2] = 0x84 | ((message[2] as number) & 0x01);
    answer[3] = (message[3] as number) & 0x10;
    answer[7] = table[slot + 2] as number;
    const from = slot + SLOT_HEADER_BYTES + (table[slot] as number);
    for (let at = 0; at < records; at++) answer[end + at] = table[from + at] as number;
    if (additional === 1) writeOpt(answer, end + records, ((message[end + 7] as number) & 0x80) !== 0, 0);
    return answer;
  }
}

/** Whether an answer has addresses: then it is authoritative and whole, and has no other section but EDNS. */
function hasAddresses(answer: Buffer, end: number): boolean {
  const type = ((answer[end - 4] as number) << 8) | (answer[end - 3] as number);
  return answer[7] !== 0 && (type === recordType.A || type === recordType.AAAA);
}

function isPart(table: Buffer, slot: number, message: Buffer, partEnd: number): boolean {
  if (table[slot] !== partEnd - HEADER_BYTES) return false;
  const shift = slot + SLOT_HEADER_BYTES - HEADER_BYTES;
  for (let at = HEADER_BYTES; at < partEnd; at++) if (table[shift + at] !== message[at]) return false;
  return true;
}
