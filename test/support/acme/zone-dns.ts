import { Packet, TCPServer, UDPServer } from "dns2";
import { freePort } from "../free-port.ts";

/** A DNS server of a test: one zone, every name of it at 127.0.0.1. */
export interface ZoneDns extends AsyncDisposable {
  readonly address: string;
  /** Names that were asked for, each time. */
  readonly questions: readonly string[];
  /** Answers wait for it, and orders with them. */
  gate: Promise<void>;
}

export interface ZoneDnsOptions {
  readonly zone: string;
  /** TXT records by name; read at each question. */
  readonly texts: (name: string) => readonly string[];
}

/** Starts it over UDP and TCP. The Cloudflare plugin finds its zone by the SOA record, DNS-01 its record by TXT. */
export async function startZoneDns({ zone, texts }: ZoneDnsOptions): Promise<ZoneDns> {
  const port = await freePort();
  const questions: string[] = [];
  const handle = (request: Packet, send: (response: Packet) => void): void => {
    const response = Packet.createResponseFromRequest(request);
    const [question] = request.questions;
    if (question !== undefined) {
      const name = question.name.toLowerCase();
      questions.push(name);
      answer(response, name, question.type as number, zone, texts);
    }
    void dns.gate.then(() => send(response));
  };
  const udp = new UDPServer({ type: "udp4" });
  const tcp = new TCPServer();
  for (const server of [udp, tcp]) server.on("request", handle as never);
  await Promise.all([udp.listen(port, "127.0.0.1"), tcp.listen({ port, address: "127.0.0.1" } as never)]);
  const dns: ZoneDns = {
    address: `127.0.0.1:${port}`,
    questions,
    gate: Promise.resolve(),
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
    },
  };
  return dns;
}

function answer(
  response: Packet,
  name: string,
  type: number,
  zone: string,
  texts: ZoneDnsOptions["texts"],
): void {
  const soa = {
    name: zone,
    type: Packet.TYPE.SOA,
    class: Packet.CLASS.IN,
    ttl: 1,
    primary: `ns.${zone}`,
    admin: `admin.${zone}`,
    serial: 1,
    refresh: 60,
    retry: 60,
    expiration: 60,
    minimum: 1,
  };
  const base = { name, class: Packet.CLASS.IN, ttl: 1 };
  const inZone = name === zone || name.endsWith(`.${zone}`);
  if (!inZone) return;
  if (type === Packet.TYPE.SOA && name === zone) response.answers.push(soa as never);
  else if (type === Packet.TYPE.NS && name === zone)
    response.answers.push({ ...base, type: Packet.TYPE.NS, ns: `ns.${zone}` } as never);
  else if (type === Packet.TYPE.TXT)
    for (const data of texts(name))
      response.answers.push({ ...base, type: Packet.TYPE.TXT, data: [data] } as never);
  else if (type === Packet.TYPE.A) response.answers.push({ ...base, type, address: "127.0.0.1" } as never);
  if (response.answers.length === 0) response.authorities.push(soa as never);
}
