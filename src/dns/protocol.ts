/** Numbers of the DNS protocol that this server speaks (IANA, "Domain Name System Parameters"). */
export const recordType = {
  A: 1,
  NS: 2,
  SOA: 6,
  HINFO: 13,
  AAAA: 28,
  OPT: 41,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
} as const;

export const recordClass = { IN: 1 } as const;

export const responseCode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** RFC 6891 section 6.1.3: eight of its bits travel in the OPT record. */
  BADVERS: 16,
} as const;

/** Octets of the header of every message (RFC 1035 section 4.1.1). */
export const HEADER_BYTES = 12;
/** Octets of an OPT record without options (RFC 6891 section 6.1.2). */
export const OPT_BYTES = 11;
/** Largest UDP message of a client that says nothing of EDNS (RFC 1035 section 4.2.1). */
export const PLAIN_UDP_BYTES = 512;
/** Largest UDP message that this server takes and sends: no fragments on a common path (dnsflagday.net/2020). */
export const LARGEST_UDP_BYTES = 1232;
/** Largest TCP message: its length is a 16-bit number (RFC 1035 section 4.2.2). */
export const LARGEST_TCP_BYTES = 65_535;

/** What a client's message asks. */
export interface Query {
  readonly id: number;
  readonly opcode: number;
  /** RD and CD, which answers repeat (RFC 1035 section 4.1.1, RFC 4035 section 3.1.6). */
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  /** Absent when the message has none that can be read. */
  readonly question?: Question;
  readonly edns?: Edns;
  /** The message breaks the format: FORMERR. */
  readonly malformed: boolean;
}

export interface Question {
  /** Lowercase, without the final dot; "" is the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as it came, case included: name, type and class, uncompressed. */
  readonly wire: Buffer;
}

/** The OPT record of a query (RFC 6891). */
export interface Edns {
  readonly version: number;
  readonly payloadBytes: number;
  /** DO, which answers repeat (RFC 3225 section 3). */
  readonly dnssecOk: boolean;
}
