import type { InstanceResolver, Resolution } from "../resolver/instance-resolver.ts";
import { type Question, recordClass, recordType, responseCode } from "./protocol.ts";

/** The zone that is served. */
export interface Zone {
  /** Lowercase, without the final dot. */
  readonly name: string;
  /** Of every record, negative answers included (RFC 2308). */
  readonly ttlSeconds: number;
}

/** A record that answers the question; its owner is the question's name. */
export type AnswerRecord =
  | { readonly type: "A" | "AAAA"; readonly address: string }
  | { readonly type: "SOA" | "NS" | "HINFO" };

/** What to say to a question. */
export interface Answer {
  readonly code: number;
  readonly authoritative: boolean;
  readonly records: readonly AnswerRecord[];
  /** The zone's SOA goes into the authority section, so that the answer "nothing" may be cached (RFC 2308). */
  readonly negative: boolean;
}

/** Keeps one answer below 64 KB, the limit of TCP. */
const MOST_ADDRESSES = 2000;

const refused: Answer = { code: responseCode.REFUSED, authoritative: false, records: [], negative: false };
const serverFailure: Answer = { ...refused, code: responseCode.SERVFAIL };
const formatError: Answer = { ...refused, code: responseCode.FORMERR };
const notImplemented: Answer = { ...refused, code: responseCode.NOTIMP };
const noData: Answer = { code: responseCode.NOERROR, authoritative: true, records: [], negative: true };
const noName: Answer = { ...noData, code: responseCode.NXDOMAIN };

/** Answers for question types that are no records of a zone, and that no name has. */
const metaAnswers: { readonly [type: number]: Answer } = {
  [0]: formatError,
  [recordType.OPT]: formatError,
  [recordType.TSIG]: formatError,
  [recordType.IXFR]: refused,
  [recordType.AXFR]: refused,
  [recordType.MAILB]: notImplemented,
  [recordType.MAILA]: notImplemented,
};

/** Answers one question from what the resolver knows. Pure but for the resolver's memory. */
export function answer(question: Question, zone: Zone, resolver: Pick<InstanceResolver, "resolve">): Answer {
  const { name, type } = question;
  if (question.class !== recordClass.IN) return refused;
  const meta = metaAnswers[type];
  if (meta !== undefined) return meta;
  if (name === zone.name) return apexAnswer(type);
  const end = name.length - zone.name.length - 1;
  if (!name.endsWith(zone.name) || name.charCodeAt(end) !== 0x2e) return refused;
  return instanceAnswer(type, resolver.resolve(name.slice(0, end)));
}

function apexAnswer(type: number): Answer {
  if (type === recordType.SOA) return positive([{ type: "SOA" }]);
  if (type === recordType.NS) return positive([{ type: "NS" }]);
  return type === recordType.ANY ? positive([{ type: "HINFO" }]) : noData;
}

function instanceAnswer(type: number, resolution: Resolution): Answer {
  if (resolution.kind === "unavailable") return serverFailure;
  if (resolution.kind === "unknown") return noName;
  // RFC 8482 section 4.2: one small record instead of everything there is.
  if (type === recordType.ANY) return positive([{ type: "HINFO" }]);
  if (resolution.kind === "no_address") return noData;
  if (type === recordType.A) return addressAnswer("A", resolution.addresses);
  return type === recordType.AAAA ? addressAnswer("AAAA", resolution.addresses) : noData;
}

function addressAnswer(type: "A" | "AAAA", addresses: readonly string[]): Answer {
  const records: AnswerRecord[] = [];
  for (const address of addresses) {
    if (records.length === MOST_ADDRESSES) break;
    if (address.includes(":") === (type === "AAAA")) records.push({ type, address });
  }
  return records.length === 0 ? noData : positive(records);
}

function positive(records: readonly AnswerRecord[]): Answer {
  return { code: responseCode.NOERROR, authoritative: true, records, negative: false };
}
