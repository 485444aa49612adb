import { createSocket, type Socket } from "node:dgram";
import { on, once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type DnsServer, startDnsServer } from "../../src/dns/server.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import { DnsConnection, encodeAsk, encodeOpt, see } from "../support/dns-client.ts";
import { instanceFrom } from "../support/instances.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { seededRandom } from "../support/seeded-random.ts";

const packets = 6000;
const random = seededRandom(20_261_120);
const below = (limit: number): number => Math.floor(random() * limit);
const index = new InstanceIndex();
index.replace([instanceFrom({ name: "web", ip: "10.0.0.5" })]);

let server: DnsServer;
let socket: Socket;
beforeAll(async () => {
  server = await startDnsServer({
    address: "127.0.0.1",
    port: 0,
    resolver: { resolve: (name) => index.resolve(name), watch: () => () => undefined },
    logger: recordingLogger(),
  });
  socket = createSocket("udp4");
  socket.connect(server.port, "127.0.0.1");
  await once(socket, "connect");
});
afterAll(async () => {
  socket.close();
  await server.close();
});

/** Random bytes, or a good query with some bytes changed, cut off or added. */
function strangePacket(): Buffer {
  if (below(4) === 0) return Buffer.from(Array.from({ length: below(600) }, () => below(256)));
  const edns = {
    version: below(3),
    payloadBytes: below(65_536),
    options: Buffer.from("000800040001", "hex").subarray(0, below(7)),
  };
  const name = ["web.hypeman.internal", "hypeman.internal", "a.example", "x\\.y.hypeman.internal", ""][
    below(5)
  ] as string;
  const good = Buffer.concat([
    encodeAsk({ name, type: below(260), edns }),
    below(5) === 0 ? encodeOpt({ edns }) : Buffer.alloc(0),
  ]);
  for (let changes = below(5); changes > 0; changes--) good[below(good.length)] = below(256);
  return below(4) === 0 ? good.subarray(0, below(good.length)) : good;
}

it(`survives ${packets} strange packets over UDP and answers a good one after each hundred`, async () => {
  for (let sent = 0; sent < packets; sent += 100) {
    for (let at = 0; at < 100; at++) socket.send(strangePacket());
    const id = 50_000 + sent / 100;
    const good = encodeAsk({ name: "web.hypeman.internal", id });
    socket.send(good);
    for await (const [answer] of on(socket, "message") as AsyncIterable<[Buffer]>) {
      expect(answer.length).toBeLessThanOrEqual(1232);
      expect((answer[2] as number) & 0x80).toBe(0x80);
      see(answer);
      if (isGood(answer, id)) break;
    }
  }
});

it("survives strange messages over TCP", async () => {
  for (let round = 0; round < 150; round++) {
    const connection = await DnsConnection.open(server.port);
    connection.socket.on("error", () => undefined);
    for (let at = 0; at < 5; at++) connection.send(strangePacket());
    if (below(2) === 0) connection.socket.write(Buffer.from([255, 255, 1]));
    const closed = new Promise((resolve) => connection.socket.once("close", resolve));
    connection.socket.end();
    await closed;
  }
  const connection = await DnsConnection.open(server.port);
  connection.send(encodeAsk({ name: "web.hypeman.internal" }));
  expect(see(await connection.receive()).answers).toHaveLength(1);
  connection.socket.destroy();
});

function isGood(answer: Buffer, id: number): boolean {
  return (
    answer.readUInt16BE(0) === id &&
    answer.readUInt16BE(6) === 1 &&
    answer.subarray(-4).equals(Buffer.from([10, 0, 0, 5]))
  );
}
