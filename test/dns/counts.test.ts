import { Registry } from "prom-client";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type DnsServer, startDnsServer } from "../../src/dns/server.ts";
import type { Resolution } from "../../src/resolver/instance-resolver.ts";
import { addDnsMetrics } from "../../src/telemetry/dns-metrics.ts";
import { type Ask, DnsConnection, encodeAsk, exchangeUdp, flag, type } from "../support/dns-client.ts";
import { moved, seriesOf } from "../support/moved-metrics.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const resolutions: { readonly [name: string]: Resolution } = {
  web: { kind: "addresses", addresses: ["10.0.0.5"] },
  many: { kind: "addresses", addresses: Array.from({ length: 100 }, (_, at) => `10.0.0.${at}`) },
  off: { kind: "no_address", reason: "it is stopped" },
  lost: { kind: "unavailable", reason: "the source is down" },
};
const resolver = {
  resolve(name: string): Resolution {
    if (name === "fault") throw new Error("a fault of the resolver");
    return resolutions[name] ?? { kind: "unknown" };
  },
  watch: () => () => undefined,
};

let server: DnsServer;
let observed: number[];
let registry: Registry;
beforeEach(async () => {
  observed = [];
  const observe = (seconds: number): void => void observed.push(seconds);
  const where = { address: "127.0.0.1", port: 0, connectionsAtMost: 1 };
  server = await startDnsServer({ ...where, resolver, logger: recordingLogger(), observe });
  registry = new Registry();
  addDnsMetrics(registry, () => server.counts());
});
afterEach(() => server.close());

const counted = async () => moved(new Map(), await seriesOf(registry), /./);

const questions: readonly (readonly [string, string, Ask])[] = [
  ["an address", "found", { name: "web.hypeman.internal" }],
  ["the zone itself", "found", { name: "hypeman.internal", type: type.SOA }],
  ["an instance without an address", "nodata", { name: "off.hypeman.internal" }],
  ["another family", "nodata", { name: "web.hypeman.internal", type: type.AAAA }],
  ["an unknown name", "nxdomain", { name: "nobody.hypeman.internal" }],
  ["a name of another zone", "refused", { name: "example.com" }],
  ["a transfer", "refused", { name: "hypeman.internal", type: type.AXFR }],
  ["a source that is down", "servfail", { name: "lost.hypeman.internal" }],
  ["another opcode", "error", { name: "web.hypeman.internal", opcode: 4 }],
  ["another version of EDNS", "error", { name: "web.hypeman.internal", edns: { version: 1 } }],
];

it.each(questions)("counts the answer to a question for %s as %s, by transport", async (_, answer, ask) => {
  const message = encodeAsk(ask);
  expect(await exchangeUdp(server.port, message)).toBeDefined();
  expect(await counted()).toEqual({ [`dns_questions_total{transport="udp",answer="${answer}"}`]: 1 });
  const connection = await DnsConnection.open(server.port);
  connection.send(message);
  await connection.receive();
  expect(await counted()).toEqual({
    [`dns_questions_total{transport="udp",answer="${answer}"}`]: 1,
    [`dns_questions_total{transport="tcp",answer="${answer}"}`]: 1,
    dns_connections: 1,
  });
  connection.socket.destroy();
  await until(() => server.counts().connections === 0);
});

it("counts an answer that has no room in a packet as truncated", async () => {
  await exchangeUdp(server.port, encodeAsk({ name: "many.hypeman.internal" }));
  expect(await counted()).toEqual({ 'dns_questions_total{transport="udp",answer="truncated"}': 1 });
});

it("counts kept answers as found, and apart", async () => {
  for (let asked = 0; asked < 3; asked++)
    await exchangeUdp(server.port, encodeAsk({ name: "web.hypeman.internal" }));
  expect(await counted()).toEqual({
    'dns_questions_total{transport="udp",answer="found"}': 3,
    dns_cache_hits_total: 2,
  });
});

it("counts messages without an answer, and connections that are too many", async () => {
  const dropped: readonly Buffer[] = [
    Buffer.from("too short"),
    encodeAsk({ name: "web.hypeman.internal", flags: flag.QR }),
    Buffer.alloc(5_000),
    encodeAsk({ name: "fault.hypeman.internal" }),
  ];
  for (const [at, message] of dropped.entries()) {
    await exchangeUdp(server.port, message, 1).catch(() => undefined);
    await until(() => server.counts().dropped.udp > at);
    expect(await counted()).toEqual({ 'dns_dropped_messages_total{transport="udp"}': at + 1 });
  }
  const connection = await DnsConnection.open(server.port);
  const refused = await DnsConnection.open(server.port);
  await until(() => server.counts().connectionsRefused === 1);
  connection.send(encodeAsk({ name: "fault.hypeman.internal" }));
  await until(() => server.counts().dropped.tcp === 1);
  expect(await counted()).toMatchObject({
    'dns_dropped_messages_total{transport="tcp"}': 1,
    dns_connections_refused_total: 1,
  });
  for (const { socket } of [connection, refused]) socket.destroy();
});

it("takes the time of the first answer and of one in 64 behind it", async () => {
  for (let asked = 1; asked <= 65; asked++) {
    await exchangeUdp(server.port, encodeAsk({ name: "web.hypeman.internal" }));
    expect(observed).toHaveLength(asked <= 64 ? 1 : 2);
  }
  for (const seconds of observed) expect(seconds > 0 && seconds < 60).toBe(true);
});
