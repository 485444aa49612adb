import { Packet } from "dns2";
import { describe, expect, it } from "vitest";
import { readPlainQuery } from "../../src/dns/query.ts";
import { encodeZone, respond } from "../../src/dns/response.ts";
import { queryOf } from "../../src/dns/server.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import { encodeAsk, flag, type } from "../support/dns-client.ts";
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
  const query = queryOf(Packet.parse(message));
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
    expect(readPlainQuery(message)).toEqual(queryOf(Packet.parse(message)));
  });

  it.each([
    ["an answer", encodeAsk({ name: "web.hypeman.internal", flags: flag.QR })],
    ["another opcode", encodeAsk({ name: "web.hypeman.internal", opcode: 5 })],
    ["a truncated message", encodeAsk({ name: "web.hypeman.internal", flags: flag.TC })],
    ["a name that is too long", encodeAsk({ name: `${"a".repeat(63)}.`.repeat(3) + "b".repeat(62) })],
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
      expect(query.question?.name).toBe(queryOf(Packet.parse(message))?.question?.name);
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
