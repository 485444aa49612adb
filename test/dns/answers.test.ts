import { describe, expect, it } from "vitest";
import { type Ask, flag, rcode, type Seen, type } from "../support/dns-client.ts";
import { address, soa, useZone } from "./zone.ts";

const zone = useZone();
const { overUdp, overTcp } = zone;

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
