import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Packet, type Resource } from "dns2";

/** A question to ask; everything but the name has the usual value. */
export interface Ask {
  readonly name: string;
  readonly type?: number;
  readonly class?: number;
  readonly id?: number;
  readonly opcode?: number;
  /** RD, CD, TC and QR, as bits of the header's second word. Default: RD. */
  readonly flags?: number;
  readonly edns?: {
    readonly version?: number;
    readonly payloadBytes?: number;
    readonly dnssecOk?: boolean;
    readonly options?: Buffer;
  };
}

export const type = {
  A: 1,
  NS: 2,
  SOA: 6,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  AXFR: 252,
  ANY: 255,
} as const;
export const rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;
export const flag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const;

/** The message for a question, byte by byte, without any code that is under test. */
export function encodeAsk(ask: Ask): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(ask.id ?? 0x1234, 0);
  header.writeUInt16BE((ask.flags ?? flag.RD) | ((ask.opcode ?? 0) << 11), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(ask.edns === undefined ? 0 : 1, 10);
  return Buffer.concat([
    header,
    encodeName(ask.name),
    uint16(ask.type ?? type.A),
    uint16(ask.class ?? 1),
    encodeOpt(ask),
  ]);
}

/** Name in wire form; a label may hold a dot as `\.`. */
export function encodeName(name: string): Buffer {
  const labels = name.split(/(?<!\\)\./).filter((label) => label !== "");
  const encoded = labels.map((label) => Buffer.from(label.replaceAll("\\.", "."), "latin1"));
  return Buffer.concat([
    ...encoded.flatMap((label) => [Buffer.from([label.length]), label]),
    Buffer.alloc(1),
  ]);
}

export function encodeOpt({ edns }: Pick<Ask, "edns">): Buffer {
  if (edns === undefined) return Buffer.alloc(0);
  const options = edns.options ?? Buffer.alloc(0);
  const flags = Buffer.from([0, edns.version ?? 0, edns.dnssecOk === true ? 0x80 : 0, 0]);
  return Buffer.concat([
    Buffer.alloc(1),
    uint16(type.OPT),
    uint16(edns.payloadBytes ?? 1232),
    flags,
    uint16(options.length),
    options,
  ]);
}

export function uint16(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 0xff]);
}

/** Sends a UDP message and waits for the answer; undefined when none comes within `timeoutMs`. */
export async function exchangeUdp(
  port: number,
  message: Buffer,
  timeoutMs = 5000,
): Promise<Buffer | undefined> {
  const socket = createSocket("udp4");
  try {
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.send(message);
    const [answer] = (await once(socket, "message", { signal: AbortSignal.timeout(timeoutMs) })) as [Buffer];
    return answer;
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return undefined;
    throw error;
  } finally {
    socket.close();
  }
}

/** A TCP connection that carries DNS messages. */
export class DnsConnection {
  readonly socket: Socket;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
  }

  /** `allowHalfOpen`: the client does not close its side when the server does. */
  static async open(port: number, allowHalfOpen = false): Promise<DnsConnection> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen });
    const connection = new DnsConnection(socket);
    await once(socket, "connect");
    return connection;
  }

  send(message: Buffer): void {
    this.socket.write(Buffer.concat([uint16(message.length), message]));
  }

  /** The next message; rejects when the connection ends before it is whole. */
  async receive(): Promise<Buffer> {
    for (;;) {
      const length = this.#received.length < 2 ? Number.POSITIVE_INFINITY : this.#received.readUInt16BE(0);
      if (this.#received.length >= length + 2) {
        const message = this.#received.subarray(2, length + 2);
        this.#received = this.#received.subarray(length + 2);
        return message;
      }
      if (this.socket.destroyed || this.socket.readableEnded) throw new Error("the connection ended");
      await Promise.race([once(this.socket, "data"), once(this.socket, "close")]);
    }
  }
}

/** An answer in the words of a test; parsed by dns2, which did not write it. */
export interface Seen {
  readonly id: number;
  readonly rcode: number;
  readonly flags: readonly string[];
  readonly question: string;
  readonly answers: readonly string[];
  readonly authority: readonly string[];
  readonly opt?: { readonly version: number; readonly payloadBytes: number; readonly dnssecOk: boolean };
}

export function see(message: Buffer): Seen {
  const packet = Packet.parse(message);
  if (packet.errors.length > 0) throw packet.errors[0] as Error;
  const opt = packet.additionals.find((record) => record.type === type.OPT);
  const [question] = packet.questions;
  const bits = message.readUInt16BE(2);
  return {
    id: packet.header.id,
    rcode: packet.header.rcode,
    flags: Object.entries(flag).flatMap(([name, bit]) => ((bits & bit) === 0 ? [] : [name])),
    question: question === undefined ? "" : `${question.name} ${question.class} ${question.type}`,
    answers: packet.answers.map(recordText),
    authority: packet.authorities.map(recordText),
    ...(opt === undefined
      ? {}
      : { opt: { version: opt.version ?? -1, payloadBytes: opt.class, dnssecOk: opt.doFlag === true } }),
  };
}

function recordText(record: Resource): string {
  const data = Buffer.isBuffer(record.data) ? JSON.stringify(record.data.toString("latin1")) : undefined;
  const soa =
    record.primary === undefined ? undefined : `${record.primary} ${record.admin} ${record.minimum}`;
  return `${record.name} ${record.ttl} ${record.class} ${record.type} ${record.address ?? record.ns ?? soa ?? data}`;
}
