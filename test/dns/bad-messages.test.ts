import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { type Ask, encodeAsk, exchangeUdp, flag, rcode, see } from "../support/dns-client.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";
import { start, useZone } from "./zone.ts";

const zone = useZone();

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
    const answer = await exchangeUdp(zone.server.port, message);
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
    const answer = (await exchangeUdp(zone.server.port, message)) as Buffer;
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
