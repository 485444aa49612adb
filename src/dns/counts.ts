import { responseCode } from "./protocol.ts";

/** How a question came. */
export type Transport = "udp" | "tcp";

/** `found`: with records; `truncated`: over UDP, to be asked again over TCP; `error`: the message was at fault. */
export type AnswerKind = "found" | "nodata" | "nxdomain" | "refused" | "servfail" | "truncated" | "error";

/** What a DNS server has counted since its start. */
export interface DnsCounts {
  readonly questions: readonly {
    readonly transport: Transport;
    readonly answer: AnswerKind;
    readonly count: number;
  }[];
  /** Messages that got no answer: what is no question, is too long, or met a fault. */
  readonly dropped: { readonly [transport in Transport]: number };
  /** Questions over UDP that a kept answer was the answer to; of those `found`. */
  readonly cacheHits: number;
  /** Open TCP connections, and those that were closed at once because there were too many. */
  readonly connections: number;
  readonly connectionsRefused: number;
}

const kinds = ["found", "nodata", "nxdomain", "refused", "servfail", "truncated", "error"] as const;
const transports = ["udp", "tcp"] as const;
const TRUNCATED = 0x02;

const kindsByCode: { readonly [code: number]: AnswerKind } = {
  [responseCode.NXDOMAIN]: "nxdomain",
  [responseCode.REFUSED]: "refused",
  [responseCode.SERVFAIL]: "servfail",
};

/** What an answer says, from its header. */
export function kindOf(answer: Buffer): AnswerKind {
  const code = (answer[3] as number) & 0x0f;
  if (code !== responseCode.NOERROR) return kindsByCode[code] ?? "error";
  if (answer[6] !== 0 || answer[7] !== 0) return "found";
  if (((answer[2] as number) & TRUNCATED) !== 0) return "truncated";
  // "Nothing" has the zone's SOA; without it the code is one that continues in the OPT record (BADVERS).
  return answer[9] === 0 ? "error" : "nodata";
}

/** Counts with plain numbers: the server answers some hundred thousand questions a second. */
export class DnsCounters {
  /** See `DnsCounts`. */
  cacheHits = 0;
  connections = 0;
  connectionsRefused = 0;
  readonly dropped = { udp: 0, tcp: 0 };
  readonly #answered = {
    udp: Object.fromEntries(kinds.map((kind) => [kind, 0])) as { [kind in AnswerKind]: number },
    tcp: Object.fromEntries(kinds.map((kind) => [kind, 0])) as { [kind in AnswerKind]: number },
  };

  /** An answer that was made, and not kept from before. */
  answered(transport: Transport, answer: Buffer): void {
    this.#answered[transport][kindOf(answer)] += 1;
  }

  read(): DnsCounts {
    const { cacheHits, connections, connectionsRefused, dropped } = this;
    const questions = transports.flatMap((transport) =>
      kinds.map((answer) => ({
        transport,
        answer,
        count:
          this.#answered[transport][answer] + (transport === "udp" && answer === "found" ? cacheHits : 0),
      })),
    );
    return { questions, dropped: { ...dropped }, cacheHits, connections, connectionsRefused };
  }
}
