import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DnsServer, type DnsServerOptions, startDnsServer } from "../../src/dns/server.ts";
import { isGatewrightError } from "../../src/errors.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import type { Resolution } from "../../src/resolver/instance-resolver.ts";
import {
  type Ask,
  DnsConnection,
  encodeAsk,
  exchangeUdp,
  flag,
  rcode,
  type Seen,
  see,
  type,
} from "../support/dns-client.ts";
import { freePort } from "../support/free-port.ts";
import { instanceFrom } from "../support/instances.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const instances = [
  { id: "id4", name: "web-1", ip: "10.0.0.5" },
  { id: "id6", name: "six", ip: "fd00::6" },
  { id: "iddot", name: "db.prod", ip: "10.0.0.7" },
  { id: "idoff", name: "off", ip: "10.0.0.8", state: "Stopped" as const },
].map(instanceFrom);
const members = [
  { name: "api-1", ip: "10.0.0.21" },
  { name: "api-2", ip: "10.0.0.20" },
  { name: "api-3", ip: "fd00::22" },
  { name: "api-4", ip: "10.0.0.23", state: "Standby" as const },
].map((sketch) => ({ ...instanceFrom(sketch), service: "api" }));
const index = new InstanceIndex();
index.replace([...instances, ...members]);

/** The index, and a few names whose answers an index of instances does not give. */
const resolver = {
  resolve(name: string): Resolution {
    if (name === "fault") throw new Error("a fault of the resolver");
    if (name === "lost") return { kind: "unavailable", reason: "the source is down" };
    const service = /^pool-(\d+)$/.exec(name);
    if (service === null) return index.resolve(name);
    const addresses = Array.from({ length: Number(service[1]) }, (_, at) => `10.9.${at >> 8}.${at & 255}`);
    return { kind: "addresses", addresses: [...addresses, "fd00::1", "fd00::2"] };
  },
  /** Nothing changes. */
  watch: () => () => undefined,
};
const soa = "hypeman.internal 5 1 6 hypeman.internal nobody.invalid 5";

let server: DnsServer;
beforeEach(async () => {
  server = await start();
});
afterEach(() => server.close());

function start(options: Partial<DnsServerOptions> = {}): Promise<DnsServer> {
  return startDnsServer({ address: "127.0.0.1", port: 0, resolver, logger: recordingLogger(), ...options });
}

async function overUdp(ask: Ask): Promise<Seen> {
  const answer = await exchangeUdp(server.port, encodeAsk(ask));
  if (answer === undefined) throw new Error("no answer");
  return see(answer);
}

async function overTcp(ask: Ask): Promise<Seen> {
  const connection = await DnsConnection.open(server.port);
  connection.send(encodeAsk(ask));
  const answer = see(await connection.receive());
  connection.socket.destroy();
  return answer;
}

const address = "web-1.hypeman.internal 5 1 1 10.0.0.5";
const cases: readonly (readonly [string, Ask, Partial<Seen>])[] = [
  [
    "A by name",
    { name: "web-1.hypeman.internal" },
    { rcode: 0, flags: ["QR", "AA", "RD"], answers: [address], authority: [] },
  ],
  [
    "A by id",
    { name: "id4.hypeman.internal" },
    { rcode: 0, answers: ["id4.hypeman.internal 5 1 1 10.0.0.5"] },
  ],
  [
    "any case, echoed",
    { name: "WEB-1.HypeMan.Internal" },
    { question: "WEB-1.HypeMan.Internal 1 1", answers: ["WEB-1.HypeMan.Internal 5 1 1 10.0.0.5"] },
  ],
  [
    "dots in the name",
    { name: "db.prod.hypeman.internal" },
    { answers: ["db.prod.hypeman.internal 5 1 1 10.0.0.7"] },
  ],
  [
    "the parent of a dotted name",
    { name: "prod.hypeman.internal" },
    { rcode: 0, answers: [], authority: [soa] },
  ],
  [
    "AAAA",
    { name: "six.hypeman.internal", type: type.AAAA },
    { answers: ["six.hypeman.internal 5 1 28 fd00::6"] },
  ],
  [
    "the other family, 4",
    { name: "web-1.hypeman.internal", type: type.AAAA },
    { rcode: 0, answers: [], authority: [soa] },
  ],
  ["the other family, 6", { name: "six.hypeman.internal" }, { rcode: 0, answers: [], authority: [soa] }],
  [
    "a service",
    { name: "api.svc.hypeman.internal" },
    { answers: ["api.svc.hypeman.internal 5 1 1 10.0.0.20", "api.svc.hypeman.internal 5 1 1 10.0.0.21"] },
  ],
  [
    "a service, AAAA",
    { name: "api.svc.hypeman.internal", type: type.AAAA },
    { answers: ["api.svc.hypeman.internal 5 1 28 fd00::22"] },
  ],
  ["the name above services", { name: "svc.hypeman.internal" }, { rcode: 0, answers: [], authority: [soa] }],
  ["no such service", { name: "none.svc.hypeman.internal" }, { rcode: 3, answers: [], authority: [soa] }],
  [
    "both families",
    { name: "pool-1.hypeman.internal", type: type.AAAA },
    { answers: ["1", "2"].map((at) => `pool-1.hypeman.internal 5 1 28 fd00::${at}`) },
  ],
  [
    "no address now",
    { name: "off.hypeman.internal" },
    { rcode: 0, flags: ["QR", "AA", "RD"], answers: [], authority: [soa] },
  ],
  [
    "another type",
    { name: "web-1.hypeman.internal", type: type.TXT },
    { rcode: 0, answers: [], authority: [soa] },
  ],
  [
    "an unknown type",
    { name: "web-1.hypeman.internal", type: 65_280 },
    { rcode: 0, answers: [], authority: [soa] },
  ],
  [
    "an unknown name",
    { name: "nope.hypeman.internal" },
    { rcode: rcode.NXDOMAIN, flags: ["QR", "AA", "RD"], authority: [soa] },
  ],
  [
    "an unknown name, any type",
    { name: "nope.hypeman.internal", type: type.SRV },
    { rcode: rcode.NXDOMAIN, authority: [soa] },
  ],
  ["a prefix of an id", { name: "id.hypeman.internal" }, { rcode: rcode.NXDOMAIN }],
  ["a name below an instance", { name: "x.web-1.hypeman.internal" }, { rcode: rcode.NXDOMAIN }],
  [
    "what cannot be known",
    { name: "lost.hypeman.internal" },
    { rcode: rcode.SERVFAIL, flags: ["QR", "RD"], answers: [], authority: [] },
  ],
  [
    "another zone",
    { name: "web-1.example.com" },
    { rcode: rcode.REFUSED, flags: ["QR", "RD"], authority: [] },
  ],
  ["a zone that only ends alike", { name: "web-1.nothypeman.internal" }, { rcode: rcode.REFUSED }],
  ["the zone's parent", { name: "internal" }, { rcode: rcode.REFUSED }],
  ["the root", { name: "", type: type.NS }, { rcode: rcode.REFUSED }],
  ["the apex SOA", { name: "hypeman.internal", type: type.SOA }, { rcode: 0, answers: [soa], authority: [] }],
  [
    "the apex NS",
    { name: "Hypeman.internal", type: type.NS },
    { rcode: 0, answers: ["Hypeman.internal 5 1 2 hypeman.internal"] },
  ],
  ["the apex A", { name: "hypeman.internal" }, { rcode: 0, answers: [], authority: [soa] }],
  [
    "ANY",
    { name: "web-1.hypeman.internal", type: type.ANY },
    { answers: ['web-1.hypeman.internal 5 1 13 "\\u0007RFC8482\\u0000"'] },
  ],
  ["ANY of an unknown name", { name: "nope.hypeman.internal", type: type.ANY }, { rcode: rcode.NXDOMAIN }],
  [
    "ANY of the apex",
    { name: "hypeman.internal", type: type.ANY },
    { rcode: 0, answers: [expect.stringContaining("RFC8482")] },
  ],
  ["a zone transfer", { name: "hypeman.internal", type: type.AXFR }, { rcode: rcode.REFUSED }],
  ["an incremental zone transfer", { name: "hypeman.internal", type: 251 }, { rcode: rcode.REFUSED }],
  ["TSIG as a type", { name: "web-1.hypeman.internal", type: 250 }, { rcode: rcode.FORMERR }],
  ["type 0", { name: "web-1.hypeman.internal", type: 0 }, { rcode: rcode.FORMERR }],
  ["MAILB, which is obsolete", { name: "web-1.hypeman.internal", type: 253 }, { rcode: rcode.NOTIMP }],
  ["MAILA, which is obsolete", { name: "web-1.hypeman.internal", type: 254 }, { rcode: rcode.NOTIMP }],
  ["OPT as a type", { name: "web-1.hypeman.internal", type: type.OPT }, { rcode: rcode.FORMERR }],
  ["class CH", { name: "version.bind", type: type.TXT, class: 3 }, { rcode: rcode.REFUSED }],
  ["class ANY", { name: "web-1.hypeman.internal", class: 255 }, { rcode: rcode.REFUSED }],
  [
    "opcode UPDATE",
    { name: "hypeman.internal", type: type.SOA, opcode: 5 },
    { rcode: rcode.NOTIMP, flags: ["QR", "RD"] },
  ],
  ["opcode STATUS", { name: "web-1.hypeman.internal", opcode: 2 }, { rcode: rcode.NOTIMP, answers: [] }],
  ["RD and CD", { name: "web-1.hypeman.internal", flags: flag.CD }, { flags: ["QR", "AA", "CD"] }],
  ["no EDNS for none", { name: "web-1.hypeman.internal" }, { answers: [address] }],
  [
    "EDNS",
    { name: "web-1.hypeman.internal", edns: {} },
    { answers: [address], opt: { version: 0, payloadBytes: 1232, dnssecOk: false } },
  ],
  [
    "EDNS with DO",
    { name: "nope.hypeman.internal", edns: { dnssecOk: true } },
    { rcode: rcode.NXDOMAIN, authority: [soa], opt: { version: 0, payloadBytes: 1232, dnssecOk: true } },
  ],
  [
    "EDNS with a cookie",
    { name: "web-1.hypeman.internal", edns: { options: Buffer.from("000a00080102030405060708", "hex") } },
    { answers: [address], opt: { version: 0, payloadBytes: 1232, dnssecOk: false } },
  ],
  [
    "EDNS 1",
    { name: "web-1.hypeman.internal", edns: { version: 1 } },
    { rcode: rcode.BADVERS, answers: [], opt: { version: 0, payloadBytes: 1232, dnssecOk: false } },
  ],
  [
    "a broken EDNS option",
    { name: "web-1.hypeman.internal", edns: { options: Buffer.from("000a00ff01", "hex") } },
    { rcode: rcode.FORMERR, answers: [] },
  ],
];

describe.each([
  ["UDP", overUdp],
  ["TCP", overTcp],
] as const)("over %s", (_, exchange) => {
  it.each(cases)("answers %s, twice", async (_name, ask, expected) => {
    // The second answer may be a kept one.
    for (const seen of [await exchange(ask), await exchange(ask)]) {
      expect(seen).toMatchObject({
        id: 0x1234,
        question: `${ask.name} ${ask.class ?? 1} ${ask.type ?? 1}`,
        ...expected,
      });
      expect("opt" in seen).toBe("opt" in expected);
    }
  });
});

describe("messages that no client should send", () => {
  const plain = encodeAsk({ name: "web-1.hypeman.internal", edns: {} });
  const count = (at: number, value: number): Buffer => {
    const message = Buffer.from(plain);
    message.writeUInt16BE(value, at);
    return message;
  };
  it.each<[string, Buffer, number]>([
    ["no question", Buffer.concat([plain.subarray(0, 4), Buffer.alloc(8)]), rcode.FORMERR],
    [
      "two questions",
      Buffer.concat([
        plain.subarray(0, 4),
        Buffer.from([0, 2, 0, 0, 0, 0, 0, 0]),
        ...[1, 2].map(() => plain.subarray(12, -11)),
      ]),
      rcode.FORMERR,
    ],
    ["a question that is cut off", plain.subarray(0, 20), rcode.FORMERR],
    [
      "a name that points at itself",
      Buffer.concat([plain.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
      rcode.FORMERR,
    ],
    [
      "a reserved label length",
      Buffer.concat([plain.subarray(0, 12), Buffer.from([0x41, 0, 0, 1, 0, 1])]),
      rcode.FORMERR,
    ],
    ["more records than there are", count(6, 3), rcode.FORMERR],
    ["two OPT records", Buffer.concat([count(10, 2), plain.subarray(-11)]), rcode.FORMERR],
    [
      "an OPT record with a name",
      Buffer.concat([plain.subarray(0, -11), Buffer.from([1, 0x61]), plain.subarray(-11)]),
      rcode.FORMERR,
    ],
  ])("%s", async (_, message, code) => {
    const answer = await exchangeUdp(server.port, message);
    expect(answer?.readUInt16BE(0)).toBe(0x1234);
    expect((answer?.[3] ?? 0) & 15).toBe(code);
    expect(see(answer as Buffer).answers).toEqual([]);
  });

  it.each<[string, Ask, object]>([
    [
      "RD and CD",
      { name: "x", flags: flag.RD | flag.CD },
      { rcode: rcode.FORMERR, flags: ["QR", "RD", "CD"] },
    ],
    ["neither", { name: "x", flags: 0 }, { rcode: rcode.FORMERR, flags: ["QR"] }],
    ["another opcode", { name: "x", flags: 0, opcode: 5 }, { rcode: rcode.NOTIMP, flags: ["QR"] }],
  ])("are answered with their id, without a question, with %s", async (_, ask, expected) => {
    const message = encodeAsk({ ...ask, id: 0xabcd });
    message.writeUInt16BE(2, 4);
    const answer = (await exchangeUdp(server.port, message)) as Buffer;
    expect([see(answer), answer.length]).toMatchObject([{ id: 0xabcd, question: "", ...expected }, 12]);
    expect(((answer[2] as number) >> 3) & 15).toBe(ask.opcode ?? 0);
  });

  it.each<[string, Buffer]>([
    ["nothing", Buffer.alloc(0)],
    ["less than a header", plain.subarray(0, 11)],
    ["an answer", encodeAsk({ name: "web-1.hypeman.internal", flags: flag.QR })],
    ["a message that is too long for a query", Buffer.concat([count(10, 5), Buffer.alloc(5000)])],
  ])("%s gets no answer", async (_, message) => {
    const logger = recordingLogger();
    const other = await start({ logger });
    const socket = createSocket("udp4");
    socket.connect(other.port, "127.0.0.1");
    await once(socket, "connect");
    const answers: Buffer[] = [];
    socket.on("message", (answer: Buffer) => answers.push(answer));
    // A question behind it is answered, in order: the answer to the first would have come before.
    socket.send(message);
    socket.send(encodeAsk({ name: "web-1.hypeman.internal", id: 2 }));
    await until(() => answers.some((answer) => answer.readUInt16BE(0) === 2));
    expect(answers).toHaveLength(1);
    // Nor is it told of: anybody could fill the log.
    expect(logger.entries).toEqual([]);
    socket.close();
    await other.close();
  });
});

describe("many addresses", () => {
  it.each([
    [29, undefined, false],
    [30, undefined, true],
    [30, 100, true],
    [73, 1232, false],
    [73, 4096, false],
    [74, 4096, true],
  ])("%i of them with payload size %j: truncated %j", async (many, payloadBytes, truncated) => {
    const seen = await overUdp({
      name: `pool-${many}.hypeman.internal`,
      ...(payloadBytes === undefined ? {} : { edns: { payloadBytes } }),
    });
    expect([seen.flags.includes("TC"), seen.answers.length]).toEqual([truncated, truncated ? 0 : many]);
    expect("opt" in seen).toBe(payloadBytes !== undefined);
  });

  it("come whole over TCP, up to a limit that fits", async () => {
    expect((await overTcp({ name: "pool-1500.hypeman.internal" })).answers).toHaveLength(1500);
    expect((await overTcp({ name: "pool-60000.hypeman.internal" })).answers).toHaveLength(2000);
  });
});

describe("TCP", () => {
  it("answers several questions of one connection, also in one segment and in pieces", async () => {
    const connection = await DnsConnection.open(server.port);
    const ask = (id: number): Buffer => {
      const message = encodeAsk({ name: "web-1.hypeman.internal", id });
      return Buffer.concat([Buffer.from([0, message.length]), message]);
    };
    connection.socket.write(Buffer.concat([ask(1), ask(2), ask(3)]));
    for (const byte of ask(4)) connection.socket.write(Buffer.from([byte]));
    for (const id of [1, 2, 3, 4])
      expect(see(await connection.receive())).toMatchObject({ id, answers: [address] });
    connection.socket.end();
    await once(connection.socket, "close");
  });

  it("answers a client that has closed its side", async () => {
    const connection = await DnsConnection.open(server.port);
    connection.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    connection.socket.end();
    expect(see(await connection.receive()).answers).toEqual([address]);
  });

  it("closes idle connections, also one whose client never closes", async () => {
    const other = await start({ idleTimeoutMs: 100 });
    const connection = await DnsConnection.open(other.port, true);
    await once(connection.socket, "end");
    const failed = once(connection.socket, "error");
    // Only a connection that the server has wholly given up answers data with a reset; this is never a whole message.
    await until(() => {
      if (!connection.socket.destroyed) connection.socket.write(Buffer.from([0xff]));
      return connection.socket.destroyed;
    });
    expect((await failed).at(0)).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
    await other.close();
  });

  it("E8: closes connections that send bytes and no message", async () => {
    const other = await start({ connectionsAtMost: 3, idleTimeoutMs: 200 });
    const slow = await Promise.all([1, 2, 3].map(() => DnsConnection.open(other.port)));
    const trickles = slow.map(({ socket }) => {
      socket.on("error", () => undefined);
      socket.write(Buffer.from([0x0f]));
      return setInterval(() => socket.write(Buffer.alloc(1)), 20);
    });
    await Promise.all(slow.map(({ socket }) => until(() => socket.destroyed)));
    for (const trickle of trickles) clearInterval(trickle);
    const next = await DnsConnection.open(other.port);
    next.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    expect(see(await next.receive()).answers).toEqual([address]);
    await other.close();
  });

  it("C9: closes a connection that announces a message longer than any question", async () => {
    const connection = await DnsConnection.open(server.port);
    connection.socket.on("error", () => undefined);
    connection.socket.write(Buffer.from([0xff, 0xff]));
    await until(() => connection.socket.destroyed);
  });

  it("takes 256 connections unless told otherwise", async () => {
    const open = await Promise.all(Array.from({ length: 256 }, () => DnsConnection.open(server.port)));
    const extra = await DnsConnection.open(server.port);
    await Promise.race([once(extra.socket, "close"), once(extra.socket, "error")]);
    const last = open.at(-1);
    last?.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    expect(see((await last?.receive()) as Buffer).answers).toEqual([address]);
    for (const { socket } of open) socket.destroy();
  });

  it("answers a message of 4096 bytes and closes for a longer one", async () => {
    const ask = (bytes: number): Buffer => {
      const options = Buffer.alloc(bytes - encodeAsk({ name: "web-1.hypeman.internal", edns: {} }).length);
      options.writeUInt16BE(options.length - 4, 2);
      return encodeAsk({ name: "web-1.hypeman.internal", edns: { options } });
    };
    const connection = await DnsConnection.open(server.port);
    connection.send(ask(4096));
    expect(see(await connection.receive()).answers).toEqual([address]);
    connection.send(ask(4097));
    await expect(connection.receive()).rejects.toThrow("ended");
  });

  it("closes connections above the limit and keeps the others", async () => {
    const other = await start({ connectionsAtMost: 3, idleTimeoutMs: 3_600_000 });
    const kept = await Promise.all([1, 2, 3].map(() => DnsConnection.open(other.port)));
    const extra = await DnsConnection.open(other.port);
    await Promise.race([once(extra.socket, "close"), once(extra.socket, "error")]);
    for (const connection of kept) {
      connection.send(encodeAsk({ name: "web-1.hypeman.internal" }));
      expect(see(await connection.receive()).answers).toEqual([address]);
    }
    // Closing the server ends them; their idle time would be an hour.
    await other.close();
    await Promise.all(kept.map((connection) => until(() => connection.socket.destroyed)));
  });

  it("cuts off a client that asks without reading", async () => {
    const connection = await DnsConnection.open(server.port);
    connection.socket.pause();
    connection.socket.on("error", () => undefined);
    const ask = encodeAsk({ name: "pool-2000.hypeman.internal" });
    const many = Buffer.concat(
      Array.from({ length: 200 }, () => Buffer.concat([Buffer.from([0, ask.length]), ask])),
    );
    await until(() => {
      if (!connection.socket.destroyed) connection.socket.write(many);
      return connection.socket.destroyed;
    });
    expect((await overUdp({ name: "web-1.hypeman.internal" })).answers).toEqual([address]);
  });

  it("outlives connections that are reset, and keeps no timer of any that has ended", async () => {
    const other = await start({ idleTimeoutMs: 3_600_000 });
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    const open = await Promise.all(Array.from({ length: 20 }, () => DnsConnection.open(other.port)));
    for (const { socket } of open.slice(1)) {
      socket.write(Buffer.from([0, 40, 1]));
      socket.resetAndDestroy();
    }
    open[0]?.send(encodeAsk({ name: "web-1.hypeman.internal" }));
    expect(see((await open[0]?.receive()) as Buffer).answers).toEqual([address]);
    open[0]?.socket.destroy();
    await until(() => timers() <= before);
    await other.close();
  });

  it("ends a connection that sends less than a header", async () => {
    const connection = await DnsConnection.open(server.port);
    connection.send(Buffer.from([1, 2, 3]));
    connection.socket.on("error", () => undefined);
    await until(() => connection.socket.destroyed);
    expect((await overTcp({ name: "web-1.hypeman.internal" })).answers).toEqual([address]);
  });
});

it("survives a fault of the resolver, and logs it", async () => {
  const logger = recordingLogger();
  const other = await start({ logger });
  expect(await exchangeUdp(other.port, encodeAsk({ name: "fault.hypeman.internal" }), 200)).toBeUndefined();
  const connection = await DnsConnection.open(other.port);
  connection.send(encodeAsk({ name: "fault.hypeman.internal" }));
  await until(() => connection.socket.destroyed);
  expect(await exchangeUdp(other.port, encodeAsk({ name: "web-1.hypeman.internal" }))).toBeDefined();
  const entry = {
    level: "error",
    message: "a DNS question could not be answered",
    fields: { error: new Error("a fault of the resolver") },
  };
  expect(logger.entries).toMatchObject([entry, entry]);
  await other.close();
});

it("asks a resolver that tells of no changes each time", async () => {
  let ip = "10.0.0.1";
  const changing = { resolve: (): Resolution => ({ kind: "addresses", addresses: [ip] }) };
  const other = await start({ resolver: changing });
  for (ip of ["10.0.0.1", "10.0.0.2"]) {
    const answer = await exchangeUdp(other.port, encodeAsk({ name: "vm.hypeman.internal" }));
    expect(see(answer as Buffer).answers).toEqual([`vm.hypeman.internal 5 1 1 ${ip}`]);
  }
  await other.close();
});

describe("listening", () => {
  it("has UDP and TCP on one port that it chose", async () => {
    expect(server.port).toBeGreaterThan(0);
    expect(server.address).toBe("127.0.0.1");
  });

  it("refuses a port whose UDP or TCP side is taken, and leaves nothing open", async () => {
    const port = await freePort();
    const udp = createSocket("udp4").bind({ port, address: "127.0.0.1", exclusive: true });
    await once(udp, "listening");
    const failure = await start({ port }).catch((error: unknown) => error);
    expect(isGatewrightError(failure, "address_in_use") && failure.message).toContain(`127.0.0.1:${port}`);
    udp.close();
    await once(udp, "close");
    const tcp = createServer().listen({ port, host: "127.0.0.1", exclusive: true });
    await once(tcp, "listening");
    expect(isGatewrightError(await start({ port }).catch((error: unknown) => error), "address_in_use")).toBe(
      true,
    );
    tcp.close();
    await once(tcp, "close");
    const free = await start({ port });
    expect(free.port).toBe(port);
    await free.close();
    await (await start({ port })).close();
  });

  it.each([
    ["192.0.2.1", "192.0.2.1:0"],
    ["2001:db8::1", "[2001:db8::1]:0"],
  ])("refuses an address of another machine: %s", async (address, where) => {
    const failure = await start({ address }).catch((error: unknown) => error);
    expect(isGatewrightError(failure, "address_unavailable") && failure.message).toBe(
      `the DNS server cannot listen on ${where}: EADDRNOTAVAIL; set INTERNAL_DNS_ADDRESS and INTERNAL_DNS_PORT`,
    );
  });

  it("serves another zone and TTL on IPv6", async () => {
    const other = await start({ address: "::1", zone: "VM.Example.", ttlSeconds: 60 });
    const socket = createSocket("udp6");
    socket.send(encodeAsk({ name: "web-1.vm.example" }), other.port, "::1");
    const [answer] = (await once(socket, "message")) as [Buffer];
    expect(see(answer).answers).toEqual(["web-1.vm.example 60 1 1 10.0.0.5"]);
    socket.close();
    await other.close();
  });
});
