import { describe, expect, it } from "vitest";
import type { Instance } from "../../src/model/api.ts";
import { InstanceIndex } from "../../src/resolver/instance-index.ts";
import { type InstanceSketch, instanceFrom } from "../support/instances.ts";

function indexOf(...sketches: InstanceSketch[]): InstanceIndex {
  const index = new InstanceIndex();
  index.replace(sketches.map(instanceFrom));
  return index;
}

describe("resolve", () => {
  it.each([
    ["Running", "addresses"],
    ["Initializing", "addresses"],
    ["Created", "no_address"],
    ["Paused", "no_address"],
    ["Shutdown", "no_address"],
    ["Stopped", "no_address"],
    ["Standby", "no_address"],
    ["Unknown", "no_address"],
  ] as const)("%s resolves to %s", (state, kind) => {
    expect(indexOf({ name: "web", state }).resolve("web").kind).toBe(kind);
  });

  it.each([
    ["10.0.0.5", "10.0.0.5"],
    ["127.0.0.1", "127.0.0.1"],
    ["FD00:0:0::5", "fd00::5"],
    ["::ffff:10.0.0.5", "10.0.0.5"],
  ])("answers %s as %s", (ip, address) => {
    expect(indexOf({ name: "web", ip }).resolve("web")).toEqual({ kind: "addresses", addresses: [address] });
  });

  it.each([
    [null, "has no address"],
    ["", "has no address"],
    ["169.254.169.254", "link-local"],
    ["::ffff:169.254.169.254", "link-local"],
    ["fe80::1", "link-local"],
    ["0.0.0.0", "unspecified"],
    ["::", "unspecified"],
    ["224.0.0.1", "multicast"],
    ["ff02::1", "multicast"],
    ["255.255.255.255", "broadcast"],
    ["10.0.0", "not an IP address"],
    ["0x7f.0.0.1", "not an IP address"],
    ["010.0.0.1", "not an IP address"],
    ["fe80::1%eth0", "not an IP address"],
    ["web-2", "not an IP address"],
  ])("gives no address for %s: %s", (ip, reason) => {
    expect(indexOf({ name: "web", ip }).resolve("web")).toEqual({
      kind: "no_address",
      reason: expect.stringContaining(reason),
    });
  });

  it("gives no address when the network is off", () => {
    expect(indexOf({ name: "web", enabled: false }).resolve("web").kind).toBe("no_address");
  });

  it("says that the parent of a dotted name exists, and nothing else above or below", () => {
    const index = indexOf({ name: "a.b.c" });
    expect(["a.b.c", "b.c", "c", "b", "x.a.b.c", "d"].map((name) => index.resolve(name).kind)).toEqual([
      "addresses",
      "no_address",
      "no_address",
      "unknown",
      "unknown",
      "unknown",
    ]);
    index.replace([]);
    expect(index.resolve("b.c").kind).toBe("unknown");
  });

  it("prefers an id to a name that equals it", () => {
    const index = indexOf(
      { id: "one", name: "two", ip: "10.0.0.1" },
      { id: "three", name: "one", ip: "10.0.0.3" },
    );
    expect(index.resolve("one")).toEqual({ kind: "addresses", addresses: ["10.0.0.1"] });
  });

  it("has no address for a name that two instances have, and one again when one leaves", () => {
    const index = indexOf({ id: "a1", name: "web" }, { id: "a2", name: "WEB", ip: "10.0.0.2" });
    expect(index.resolve("web").kind).toBe("no_address");
    expect(index.resolve("a2").kind).toBe("addresses");
    expect(index.reference("web")).toEqual({ kind: "ambiguous" });
    expect(index.apply([], ["a1"])).toEqual(["web", "a1"]);
    expect(index.resolve("web")).toEqual({ kind: "addresses", addresses: ["10.0.0.2"] });
  });
});

describe("reference", () => {
  const index = indexOf({ id: "abc1", name: "web" }, { id: "abc2", name: "abc" }, { id: "abd3", name: "x" });
  it.each([
    ["abc1", "abc1"],
    ["ABC1", "abc1"],
    ["web", "abc1"],
    ["Web", "abc1"],
    // A name wins over an id prefix.
    ["abc", "abc2"],
    ["abd", "abd3"],
  ])("%s leads to %s", (reference, id) => {
    expect(index.reference(reference)).toEqual({ kind: "found", instance: expect.objectContaining({ id }) });
  });
  it.each([
    ["ab", "ambiguous"],
    ["", "unknown"],
    ["we", "unknown"],
    ["abc11", "unknown"],
    ["\uffff", "unknown"],
  ])("%s is %s", (reference, kind) => {
    expect(index.reference(reference)).toEqual({ kind });
  });
});

describe("fill", () => {
  it("makes what replace makes", () => {
    const instances = [
      { id: "b1", name: "web.a" },
      { id: "A2", name: "WEB.a", ip: "10.0.0.2" },
      { id: "c3", name: "db" },
      { id: "C3", name: "db2" },
    ].map(instanceFrom);
    const replaced = new InstanceIndex();
    replaced.replace(instances);
    const filled = new InstanceIndex();
    filled.fill(instances);
    expect(filled.list()).toEqual(replaced.list());
    for (const name of ["b1", "a2", "c3", "web.a", "a", "db", "db2", "c", "none"]) {
      expect([name, filled.resolve(name)]).toEqual([name, replaced.resolve(name)]);
      expect([name, filled.reference(name)]).toEqual([name, replaced.reference(name)]);
    }
  });
});

describe("changes", () => {
  it("names only what changed its answer", () => {
    const index = indexOf({ name: "a" }, { name: "b" }, { name: "c" });
    const next = [{ name: "a" }, { name: "b", ip: "10.0.0.2" }, { name: "d" }].map(instanceFrom);
    expect([...index.replace(next)].sort()).toEqual(["b", "c", "d", "id-b", "id-c", "id-d"]);
    expect(index.replace(next)).toEqual([]);
    expect(index.apply([{ ...instanceFrom({ name: "a" }), tags: { team: "x" } }], [])).toEqual([]);
  });

  it("names both names of a renamed instance", () => {
    const index = indexOf({ id: "i", name: "old" });
    expect([...index.apply([instanceFrom({ id: "i", name: "new" })], [])].sort()).toEqual(["new", "old"]);
    expect(index.resolve("old").kind).toBe("unknown");
  });

  it("stays equal to a fresh index over random changes", () => {
    const index = new InstanceIndex();
    const model = new Map<string, InstanceSketch>();
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let round = 0; round < 400; round++) {
      const puts = Array.from({ length: random(round % 50 === 0 ? 200 : 4) }, () => ({
        id: `i${random(120)}`,
        name: ["n", "n.p", "x.n.p"][random(3)] + String(random(90)),
        ip: `10.0.0.${random(3)}`,
        state: random(4) === 0 ? ("Stopped" as const) : ("Running" as const),
      }));
      const deletes = Array.from({ length: random(3) }, () => `i${random(120)}`);
      for (const id of deletes) model.delete(id);
      for (const put of puts) model.set(put.id, put);
      index.apply(puts.map(instanceFrom), deletes);
      const fresh = indexOf(...model.values());
      expect(index.list()).toEqual(fresh.list());
      const counted = [...index.states].filter(([, count]) => count !== 0);
      expect(new Map(counted)).toEqual(fresh.states);
      for (let at = 0; at < 120; at += 7) {
        for (const key of [`i${at}`, `n${at}`, `n.p${at}`, `p${at}`, `i${at % 13}`]) {
          expect(index.resolve(key)).toEqual(fresh.resolve(key));
          expect(index.reference(key)).toEqual(fresh.reference(key));
        }
      }
    }
  });
});

describe("with many instances", () => {
  /** How often fields of stored instances are read for the same lookups and changes among so many. */
  function readsAmong(size: number): number {
    let reads = 0;
    const counted = (sketch: InstanceSketch): Instance =>
      new Proxy(instanceFrom(sketch), {
        get: (target, key) => {
          reads++;
          return Reflect.get(target, key);
        },
      });
    const idOf = (at: number) => `a${String(at * 7_919).padStart(23, "0")}`;
    const index = new InstanceIndex();
    index.replace(Array.from({ length: size }, (_, at) => counted({ id: idOf(at), name: `vm-${at}` })));
    reads = 0;
    for (let at = 0; at < 100; at++) {
      expect(index.reference(idOf(at).slice(0, 22)).kind).toBe("found");
      index.apply([instanceFrom({ id: `b${at}`, name: `new-${at}` })], at === 0 ? [] : [`b${at - 1}`]);
    }
    return reads;
  }

  it("looks at no other instance for a prefix or a single change", () => {
    expect(readsAmong(8_000)).toBe(readsAmong(1_000));
  });
});
