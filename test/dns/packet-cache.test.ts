import { describe, expect, it } from "vitest";
import { PacketCache } from "../../src/dns/packet-cache.ts";
import { HEADER_BYTES } from "../../src/dns/protocol.ts";
import { readPlainQuery } from "../../src/dns/query.ts";
import { encodeZone, respond } from "../../src/dns/response.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import type { Resolution } from "../../src/resolver/instance-resolver.ts";
import { type Ask, encodeAsk, flag, see, type } from "../support/dns-client.ts";
import { instanceFrom } from "../support/instances.ts";
import { seededRandom } from "../support/seeded-random.ts";

const zone = encodeZone("hypeman.internal", 5);
const addressOf = (at: number): string => `10.1.${at >> 8}.${at & 255}`;
const many = Array.from({ length: 20_000 }, (_, at) => ({ name: `vm-${at}`, ip: addressOf(at) }));
const longest = "n".repeat(43);
const index = new InstanceIndex();
index.fill(
  [
    { name: "web", ip: "10.0.0.5" },
    { name: "six.b", ip: "fd00::5" },
    { name: "off", state: "Stopped" as const },
    { name: longest, ip: "10.0.0.6" },
    { name: `${longest}n`, ip: "10.0.0.7" },
    ...many,
  ].map(instanceFrom),
);

/** The index, which knows nothing of one name. */
const resolver = {
  resolve: (name: string): Resolution =>
    name === "lost" ? { kind: "unavailable", reason: "the source is down" } : index.resolve(name),
};

/** The answer to a message that the short way reads, from what the index says now. */
function answerTo(message: Buffer): { readonly answer: Buffer; readonly end: number } | undefined {
  const query = readPlainQuery(message);
  if (query?.question === undefined) return undefined;
  return { answer: respond(query, zone, resolver, 1232), end: HEADER_BYTES + query.question.wire.length };
}

function keep(kept: PacketCache, message: Buffer): void {
  const given = answerTo(message);
  if (given !== undefined) kept.keep(message, given.end, given.answer);
}

/** Whether the answer to a question is kept once it was given. */
function isKept(ask: Ask): boolean {
  const kept = new PacketCache(zone.wireName);
  const message = encodeAsk(ask);
  keep(kept, message);
  return kept.answer(message) !== undefined;
}

describe("what is kept", () => {
  it.each<[string, Ask]>([
    ["an address", { name: "web.hypeman.internal" }],
    ["an address of the other family", { name: "six.b.hypeman.internal", type: type.AAAA }],
    ["an address by id", { name: "id-web.hypeman.internal" }],
    ["an address with EDNS", { name: "web.hypeman.internal", edns: { dnssecOk: true } }],
    ["a name in upper case", { name: "WEB.hypeman.internal" }],
    ["a name that fills its place", { name: `${longest}.hypeman.internal` }],
  ])("%s", (_, ask) => {
    expect(isKept(ask)).toBe(true);
  });

  it.each<[string, Ask]>([
    ["no such name", { name: "nope.hypeman.internal" }],
    ["what cannot be known", { name: "lost.hypeman.internal" }],
    ["no address", { name: "off.hypeman.internal" }],
    ["the other family", { name: "web.hypeman.internal", type: type.AAAA }],
    ["another type", { name: "web.hypeman.internal", type: type.ANY }],
    ["the zone itself", { name: "hypeman.internal", type: type.SOA }],
    ["another zone", { name: "web.example.com" }],
    ["another class", { name: "web.hypeman.internal", class: 3 }],
    ["another version of EDNS", { name: "web.hypeman.internal", edns: { version: 1 } }],
    ["the zone in upper case", { name: "web.Hypeman.internal" }],
    ["a name that is too long", { name: `${longest}n.hypeman.internal` }],
  ])("not: %s", (_, ask) => {
    expect(isKept(ask)).toBe(false);
  });
});

it("says byte for byte what the index says, to any message it answers", () => {
  const kept = new PacketCache(zone.wireName);
  const random = seededRandom(7);
  const below = (limit: number): number => Math.floor(random() * limit);
  const names = ["web", "WEB", "six.b", "b", "off", "nope", "id-web", "vm-7", longest];
  let answered = 0;
  for (let round = 0; round < 30_000; round++) {
    const edns = { version: below(9) === 0 ? 1 : 0, payloadBytes: below(2000), dnssecOk: below(2) === 0 };
    const message = encodeAsk({
      name: `${names[below(names.length)]}.${below(9) === 0 ? "HYPEMAN" : "hypeman"}.internal`,
      type: below(9) === 0 ? below(300) : ([type.A, type.AAAA][below(2)] as number),
      class: below(10) === 0 ? below(256) : 1,
      id: below(65_536),
      flags: below(4) === 0 ? below(65_536) & 0x07ff : flag.RD,
      ...(below(2) === 0 ? {} : { edns }),
    });
    for (let changes = below(4) - 1; changes > 0; changes--) message[below(message.length)] = below(256);
    const before = Buffer.from(message);
    const said = kept.answer(message);
    if (said === undefined) keep(kept, message);
    else {
      answered++;
      expect(said.toString("hex")).toBe(answerTo(message)?.answer.toString("hex"));
    }
    expect(message.equals(before)).toBe(true);
  }
  // Otherwise this would compare nothing.
  expect(answered).toBeGreaterThan(2000);
});

it("forgets a name in every case and type, and may keep others", () => {
  const kept = new PacketCache(zone.wireName);
  const asks = ["web", "WEB", "wEb"].map((name) => encodeAsk({ name: `${name}.hypeman.internal` }));
  const other = encodeAsk({ name: "vm-1.hypeman.internal" });
  for (const ask of [...asks, other]) keep(kept, ask);
  expect(asks.map((ask) => kept.answer(ask) !== undefined)).toEqual([true, true, true]);
  kept.forget("web");
  expect(asks.map((ask) => kept.answer(ask))).toEqual([undefined, undefined, undefined]);
  expect(kept.answer(other)).toBeDefined();
  kept.forgetAll();
  expect(kept.answer(other)).toBeUndefined();
});

describe("many names", () => {
  const asks = many.map(({ name }) => encodeAsk({ name: `${name}.hypeman.internal` }));

  it("are kept nearly all, each with its own address, once the table has grown", () => {
    const kept = new PacketCache(zone.wireName);
    for (const ask of asks) keep(kept, ask);
    let found = 0;
    for (const [at, ask] of asks.entries()) {
      const answer = kept.answer(ask);
      if (answer === undefined) continue;
      found++;
      expect(see(answer).answers).toEqual([`vm-${at}.hypeman.internal 5 1 1 ${addressOf(at)}`]);
    }
    expect(found).toBeGreaterThan(asks.length * 0.95);
  });

  it("are forgotten for certain, whatever came and went around them", () => {
    const kept = new PacketCache(zone.wireName);
    const random = seededRandom(11);
    const current = new Set<number>();
    for (let round = 0; round < 100_000; round++) {
      const at = Math.floor(random() * 2000);
      const ask = asks[at] as Buffer;
      if (random() < 0.3) {
        kept.forget(`vm-${at}`);
        current.delete(at);
      } else if (kept.answer(ask) === undefined) {
        keep(kept, ask);
        current.add(at);
      } else if (!current.has(at)) expect.fail(`vm-${at} was forgotten and is still there`);
    }
    expect(current.size).toBeGreaterThan(1000);
  });
});
