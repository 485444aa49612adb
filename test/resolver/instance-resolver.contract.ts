import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InstanceResolver, ResolverChange } from "../../src/resolver/instance-resolver.ts";
import type { InstanceSketch } from "../support/instances.ts";
import { until } from "../support/until.ts";

/** A started resolver and the source behind it. */
export interface ResolverHarness {
  readonly resolver: InstanceResolver;
  /** Makes these the source's instances. The resolver may learn of it later. */
  set(sketches: readonly InstanceSketch[]): Promise<void>;
  close(): Promise<void>;
}

const web: InstanceSketch = { id: "aaa111", name: "web", ip: "10.0.0.1" };
const db: InstanceSketch = { id: "aab222", name: "db.prod", ip: "fd00::2" };
const off: InstanceSketch = { id: "aac333", name: "off", ip: "10.0.0.3", state: "Stopped" };

/** What every InstanceResolver does. */
export function instanceResolverContract(
  name: string,
  open: (initial: readonly InstanceSketch[]) => Promise<ResolverHarness>,
): void {
  describe(`${name} is an InstanceResolver that`, () => {
    let harness: ResolverHarness;
    let resolver: InstanceResolver;

    beforeEach(async () => {
      harness = await open([web, db, off]);
      resolver = harness.resolver;
    });
    afterEach(() => harness.close());

    it.each([
      ["web", ["10.0.0.1"]],
      ["WEB", ["10.0.0.1"]],
      ["aaa111", ["10.0.0.1"]],
      ["AAA111", ["10.0.0.1"]],
      ["db.prod", ["fd00::2"]],
    ])("resolves %s", (key, addresses) => {
      expect(resolver.resolve(key)).toEqual({ kind: "addresses", addresses });
    });

    it.each(["aaa11", "we", "", "web.", "x.web", "db"])("does not know %j", (key) => {
      expect(resolver.resolve(key)).toEqual({ kind: "unknown" });
    });

    it("knows a stopped instance, and the parent of a dotted name, without an address", () => {
      expect(resolver.resolve("off")).toEqual({
        kind: "no_address",
        reason: expect.stringContaining("Stopped"),
      });
      expect(resolver.resolve("prod").kind).toBe("no_address");
    });

    it.each([
      ["web", "aaa111"],
      ["Web", "aaa111"],
      ["aab222", "aab222"],
      ["aab", "aab222"],
      ["off", "aac333"],
    ])("follows the reference %s", async (reference, id) => {
      expect(await resolver.reference(reference)).toEqual({
        kind: "found",
        instance: expect.objectContaining({ id }),
      });
    });

    it("tells an ambiguous prefix from an unknown one", async () => {
      expect(await resolver.reference("aa")).toEqual({ kind: "ambiguous" });
      expect(await resolver.reference("zz")).toEqual({ kind: "unknown" });
      expect(await resolver.reference("")).toEqual({ kind: "unknown" });
    });

    it("lists by ascending name", () => {
      expect(resolver.list().map((instance) => instance.name)).toEqual(["db.prod", "off", "web"]);
      expect(resolver.states()).toEqual(
        new Map([
          ["Running", 2],
          ["Stopped", 1],
        ]),
      );
    });

    it("finds a new instance by reference without waiting for its next look at the source", async () => {
      await harness.set([web, db, off, { id: "new999", name: "new" }]);
      expect(await resolver.reference("new")).toEqual({
        kind: "found",
        instance: expect.objectContaining({ id: "new999" }),
      });
    });

    it("tells its watchers the names whose answers changed, after they changed", async () => {
      const names = new Set<string>();
      const addressesThen: unknown[] = [];
      const stop = resolver.watch((change) => {
        for (const one of namesOf(change)) names.add(one);
        if (namesOf(change).includes("web")) addressesThen.push(resolver.resolve("web"));
      });
      await harness.set([{ ...web, ip: "10.0.0.9" }, off, { id: "new999", name: "new" }]);
      await until(() => names.has("web") && names.has("db.prod") && names.has("new"));
      expect([...names].sort()).toEqual(["aaa111", "aab222", "db.prod", "new", "new999", "prod", "web"]);
      expect(addressesThen.at(-1)).toEqual({ kind: "addresses", addresses: ["10.0.0.9"] });
      stop();
    });

    it("goes on when a listener fails, and no longer calls one that stopped", async () => {
      const heard: string[] = [];
      resolver.watch(() => {
        throw new Error("a listener's fault");
      });
      const stop = resolver.watch((change) => heard.push(...namesOf(change)));
      await harness.set([web, db, { ...off, state: "Running" }]);
      await until(() => heard.includes("off"));
      stop();
      heard.length = 0;
      await harness.set([web, db, off]);
      await until(() => resolver.resolve("off").kind === "no_address");
      expect(heard).toEqual([]);
    });

    it("answers in memory: many questions in one turn of the event loop", () => {
      for (let at = 0; at < 10_000; at++) expect(resolver.resolve("web").kind).toBe("addresses");
    });
  });
}

function namesOf(change: ResolverChange): readonly string[] {
  if ("all" in change) throw new Error("a change that can be listed was not");
  return change.names;
}
