/** A key with its value, as etcd keeps it. */
export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  /** etcd's revision of the last change of the key. */
  readonly modRevision: number;
}

/** One step of a transaction. */
export type Operation =
  | { readonly kind: "put"; readonly key: string; readonly value: string | Buffer; readonly lease?: string }
  /** The key; with `end`, all from `key` up to it. */
  | { readonly kind: "delete"; readonly key: string; readonly end?: string }
  | ({ readonly kind: "range" } & RangeQuestion);

/** What is to be read. */
export interface RangeQuestion {
  readonly key: string;
  /** Up to here, not included. Default: the key alone. */
  readonly end?: string;
  /** As it was at this revision. Default: as it is, by a quorum. */
  readonly revision?: number;
  /** At the most so many keys. Default: all. */
  readonly limit?: number;
  /** Without values. Default: with. */
  readonly keysOnly?: boolean;
}

/** What has to hold for a transaction: the key's last change is of this revision; 0 where it is not there. */
export interface Comparison {
  readonly key: string;
  readonly modRevision: number;
}

/** What a transaction compares and does. */
export interface Transaction {
  readonly compare: readonly Comparison[];
  readonly success: readonly Operation[];
  /** Done instead where a comparison does not hold. Default: nothing. */
  readonly failure?: readonly Operation[];
}

/** Keys that were read. */
export interface RangeAnswer {
  /** Of etcd, when it was read. */
  readonly revision: number;
  readonly items: readonly KeyValue[];
  /** Whether there are more. */
  readonly more: boolean;
}

/** What became of a transaction. */
export interface TransactionAnswer {
  readonly succeeded: boolean;
  readonly revision: number;
  /** Of its reads, in their order. */
  readonly ranges: readonly RangeAnswer[];
}

/** What changed at one revision, or several. */
export interface WatchEvent {
  readonly kind: "put" | "delete";
  readonly item: KeyValue;
}

/** The first key behind all that begin with a prefix. */
export function endOf(prefix: string): string {
  // Keys are visible ASCII, so the last character has a next one.
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

/** Proto3 as JSON: bytes in base64, 64-bit numbers as text, what is zero left out. */
interface WireKeyValue {
  readonly key?: string;
  readonly value?: string;
  readonly mod_revision?: string;
}

export interface WireHeader {
  readonly revision?: string;
}

export interface WireRange {
  readonly header?: WireHeader;
  readonly kvs?: readonly WireKeyValue[];
  readonly more?: boolean;
}

export interface WireTransaction {
  readonly header?: WireHeader;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: WireRange }[];
}

export interface WireEvent {
  readonly type?: string;
  readonly kv?: WireKeyValue;
}

/** Bytes for etcd's JSON. */
export function bytes(value: string | Buffer): string {
  return Buffer.from(value as string).toString("base64");
}

export function toWireRange({ key, end, keysOnly, limit, revision }: RangeQuestion): object {
  return {
    key: bytes(key),
    ...(end === undefined ? {} : { range_end: bytes(end) }),
    ...(revision === undefined ? {} : { revision: String(revision) }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
    ...(keysOnly === true ? { keys_only: true } : {}),
  };
}

export function toWireTransaction({ compare, failure = [], success }: Transaction): object {
  return {
    compare: compare.map(({ key, modRevision }) => ({
      key: bytes(key),
      target: "MOD",
      result: "EQUAL",
      mod_revision: String(modRevision),
    })),
    success: success.map(toWireOperation),
    failure: failure.map(toWireOperation),
  };
}

function toWireOperation(operation: Operation): object {
  if (operation.kind === "range") return { request_range: toWireRange(operation) };
  if (operation.kind === "delete") return { request_delete_range: toWireRange(operation) };
  const { key, lease, value } = operation;
  return {
    request_put: { key: bytes(key), value: bytes(value), ...(lease === undefined ? {} : { lease }) },
  };
}

export function fromWireRange({ header, kvs = [], more = false }: WireRange): RangeAnswer {
  return { revision: Number(header?.revision ?? 0), items: kvs.map(fromWireKeyValue), more };
}

export function fromWireTransaction(answer: WireTransaction): TransactionAnswer {
  return {
    succeeded: answer.succeeded ?? false,
    revision: Number(answer.header?.revision ?? 0),
    ranges: (answer.responses ?? []).flatMap(({ response_range }) =>
      response_range === undefined ? [] : fromWireRange(response_range),
    ),
  };
}

export function fromWireEvent({ kv = {}, type }: WireEvent): WatchEvent {
  return { kind: type === "DELETE" ? "delete" : "put", item: fromWireKeyValue(kv) };
}

function fromWireKeyValue({ key = "", mod_revision = "0", value = "" }: WireKeyValue): KeyValue {
  return {
    key: Buffer.from(key, "base64").toString(),
    value: Buffer.from(value, "base64"),
    modRevision: Number(mod_revision),
  };
}
