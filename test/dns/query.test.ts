import { describe, expect, it } from "vitest";
import { readAnyQuery } from "../../src/dns/message.ts";
import type { Query } from "../../src/dns/protocol.ts";
import { readPlainQuery } from "../../src/dns/query.ts";
import { encodeZone, respond } from "../../src/dns/response.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import { encodeAsk, flag, type, uint16 } from "../support/dns-client.ts";
import { growthOf } from "../support/growth.ts";
import { instanceFrom } from "../support/instances.ts";
import { seededRandom } from "../support/seeded-random.ts";

const zone = encodeZone("hypeman.internal", 5);
const index = new InstanceIndex();
index.replace([
  instanceFrom({ name: "web", ip: "10.0.0.5" }),
  instanceFrom({ name: "six.b", ip: "fd00::5" }),
  instanceFrom({ name: "off", state: "Stopped" }),
]);

/** What is said about a message that the full parser read; undefined when it is not answered. */
function bySlowWay(message: Buffer): Buffer | undefined {
  const query = readAnyQuery(message);
  return query === undefined ? undefined : respond(query, zone, index, 1232);
}

describe("the short way", () => {
  it.each([
    ["A", encodeAsk({ name: "web.hypeman.internal" })],
    ["A with EDNS", encodeAsk({ name: "web.hypeman.internal", edns: { dnssecOk: true } })],
    ["upper case", encodeAsk({ name: "WEB.Hypeman.internal", type: type.AAAA })],
    ["the root", encodeAsk({ name: "", type: type.NS })],
    ["the longest name", encodeAsk({ name: `${"a".repeat(63)}.`.repeat(3) + "b".repeat(61) })],
    ["other types", encodeAsk({ name: "hypeman.internal", type: type.ANY })],
  ])("reads %s", (_, message) => {
    expect(readPlainQuery(message)).toEqual(readAnyQuery(message));
  });

  it.each([
    ["an answer", encodeAsk({ name: "web.hypeman.internal", flags: flag.QR })],
    ["another opcode", encodeAsk({ name: "web.hypeman.internal", opcode: 5 })],
    ["a truncated message", encodeAsk({ name: "web.hypeman.internal", flags: flag.TC })],
    ["a name that is too long", encodeAsk({ name: `${"a".repeat(63)}.`.repeat(3) + "b".repeat(62) })],
    ["a label that is too long", encodeAsk({ name: `${"a".repeat(64)}.hypeman.internal` })],
    ["a dot inside a label", encodeAsk({ name: "six\\.b.hypeman.internal" })],
    ["EDNS options", encodeAsk({ name: "web.hypeman.internal", edns: { options: Buffer.alloc(4) } })],
    [
      "bytes behind the message",
      Buffer.concat([encodeAsk({ name: "web.hypeman.internal" }), Buffer.alloc(1)]),
    ],
    ["less than there should be", encodeAsk({ name: "web.hypeman.internal" }).subarray(0, -1)],
  ])("leaves %s to the full parser", (_, message) => {
    expect(readPlainQuery(message)).toBeUndefined();
  });

  it("says byte for byte what the full parser leads to, for any message it reads", () => {
    const random = seededRandom(5);
    const below = (limit: number): number => Math.floor(random() * limit);
    const names = ["web", "WEB", "six.b", "b", "off", "nope", "id-web", ""].map(
      (name) => `${name}.hypeman.internal`,
    );
    let short = 0;
    for (let round = 0; round < 20_000; round++) {
      const name =
        below(8) === 0 ? ["example.com", "internal", "", "."][below(4)] : names[below(names.length)];
      const message = encodeAsk({
        name: name as string,
        type: below(3) === 0 ? below(300) : ([type.A, type.AAAA][below(2)] as number),
        class: below(10) === 0 ? below(256) : 1,
        id: below(65_536),
        flags: below(4) === 0 ? below(65_536) & 0x07ff : flag.RD,
        ...(below(2) === 0
          ? {}
          : {
              edns: { version: below(6) === 0 ? 1 : 0, payloadBytes: below(2000), dnssecOk: below(2) === 0 },
            }),
      });
      for (let changes = below(3); changes > 0; changes--) message[below(message.length)] = below(256);
      const query = readPlainQuery(message);
      if (query === undefined) continue;
      short++;
      const said = respond(query, zone, index, 1232);
      expect(query.question?.name).toBe(readAnyQuery(message)?.question?.name);
      if (!said.equals(bySlowWay(message) ?? Buffer.alloc(0))) {
        expect({ message: message.toString("hex"), said: said.toString("hex") }).toEqual({
          message: message.toString("hex"),
          said: bySlowWay(message)?.toString("hex"),
        });
      }
    }
    // Otherwise this would compare nothing.
    expect(short).toBeGreaterThan(8000);
  });
});

describe("messages beyond a plain query", () => {
  const header = (counts: readonly number[]): Buffer =>
    Buffer.concat([Buffer.from([0x12, 0x34, 1, 0]), ...counts.map(uint16)]);
  /** Names that point at names that point …: each is read in as many steps as there are before it. */
  const pointers = (number: number): Buffer =>
    Buffer.concat([
      header([number, 0, 0, 0]),
      Buffer.from([0, 0, 1, 0, 1]),
      ...Array.from({ length: number }, (_, index) =>
        Buffer.concat([uint16(0xc000 | (12 + index * 6)), uint16(1), uint16(1)]),
      ),
    ]);

  it("C9: are refused unparsed when they have many questions or records", () => {
    const records = Buffer.concat([encodeAsk({ name: "web.hypeman.internal" }), Buffer.alloc(600)]);
    records.writeUInt16BE(50, 10);
    for (const message of [pointers(600), pointers(10_000), records]) {
      const query = readAnyQuery(message);
      expect(query).toMatchObject({ id: expect.any(Number), malformed: true });
      expect(query).not.toHaveProperty("edns");
      expect(respond(query as Query, zone, index, 1232).readUInt8(3) & 0x0f).toBe(1);
    }
  });

  const label = (length: number): Buffer => Buffer.concat([Buffer.from([length]), Buffer.alloc(length, "a")]);
  const asked = (...labels: readonly Buffer[]): Buffer =>
    Buffer.concat([header([1, 0, 0, 0]), ...labels, Buffer.from([0, 0, 1, 0, 1])]);
  const option = Buffer.from("000a0000", "hex");
  const records = (number: number): Buffer => {
    const message = Buffer.concat([
      encodeAsk({ name: "web.hypeman.internal" }),
      ...Array.from({ length: number }, () => Buffer.from("0000630001000000000000", "hex")),
    ]);
    message.writeUInt16BE(number, 10);
    return message;
  };

  it.each<[string, Buffer, boolean]>([
    ["a label of 63 octets", asked(label(63)), true],
    ["a label of 64", asked(label(64)), false],
    ["a name of 255 octets", asked(label(63), label(63), label(63), label(61)), true],
    ["a name of 256", asked(label(63), label(63), label(63), label(62)), false],
    ["a question without its last octet", asked(label(3)).subarray(0, -1), false],
    ["a name without its end", asked(label(3)).subarray(0, 16), false],
    ["four records more", records(4), true],
    ["five", records(5), false],
    ["EDNS options", encodeAsk({ name: "web.hypeman.internal", edns: { options: option } }), true],
  ])("have bounds: %s", (_, message, isWell) => {
    expect(readAnyQuery(message)).toMatchObject({ id: 0x1234, recursionDesired: true, malformed: !isWell });
  });

  it("C9: cost what they are long, and no more", () => {
    /** One question, and records whose names are pointers to the one before. */
    const chain = (number: number): Buffer => {
      const question = Buffer.concat([header([1, 0, 0, number]), Buffer.from([0, 0, 1, 0, 1])]);
      const links = Array.from({ length: number }, (_, index) => {
        const before = index === 0 ? 12 : question.length + (index - 1) * 12;
        return Buffer.concat([uint16(0xc000 | before), uint16(99), uint16(1), Buffer.alloc(6)]);
      });
      return Buffer.concat([question, ...links]);
    };
    const messages = new Map([75, 600].map((size) => [size, chain(size)]));
    const growth = growthOf((size) => {
      for (let round = 0; round < 100; round++) readAnyQuery(messages.get(size) as Buffer);
    }, 75);
    expect(growth).toBeLessThan(24);
  });

  it.each([
    ["six\\.b.hypeman.internal", "six\\046b.hypeman.internal"],
    ["web\\.hypeman.internal", "web\\046hypeman.internal"],
    ["web.hypeman\\.internal", "web.hypeman\\046internal"],
  ])("E8: do not take a dot in a label for a separator: %s", (name, text) => {
    const message = encodeAsk({ name });
    const query = readAnyQuery(message);
    expect(query?.question).toMatchObject({ name: text, wire: message.subarray(12) });
    const answer = respond(query as Query, zone, index, 1232);
    // The question comes back as it was, and nothing answers it: no such name, or not of the zone.
    expect(answer.subarray(12, message.length)).toEqual(message.subarray(12));
    expect([answer.readUInt16BE(6), answer.readUInt8(3) & 0x0f]).toEqual([0, text.startsWith("six") ? 3 : 5]);
  });
});
