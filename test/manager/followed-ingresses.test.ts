import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import type { FollowFailure } from "../../src/manager/followed-ingresses.ts";
import type { Ingress } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import type { UnreadableDocument } from "../../src/store/document-store.ts";
import { freePorts, type ManagerOverMemory, startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { ingressOf, onPorts, ruleOf } from "../support/sketch.ts";

let world: ManagerOverMemory;
let store: MemoryStore<Ingress>;
const started: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one[Symbol.asyncDispose]();
});

async function hold(
  ingresses: readonly Ingress[],
  unreadable: readonly UnreadableDocument[] = [],
): Promise<void> {
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({ store: new MemoryStore(), logger });
  await resolver.start();
  const ports = await freePorts();
  store = new MemoryStore(
    ingresses.map((one) => onPorts(one, ports)),
    unreadable,
  );
  world = await startManagerOverMemory({ resolver, logger, store, ports });
  started.push(world);
}
beforeEach(() => hold([ingressOf("a"), ingressOf("b")]));

const take = (
  wanted: readonly Ingress[],
  ...unreadable: readonly string[]
): Promise<readonly FollowFailure[]> =>
  world.manager.followed.take({
    wanted: new Map(wanted.map((one) => [one.id, onPorts(one, world)])),
    unreadable: new Set(unreadable),
  });
const failures = async (wanted: readonly Ingress[]): Promise<readonly string[]> =>
  (await take(wanted)).map(({ id, error }) => `${id} ${error.code}`).sort();
const served = (): readonly string[] =>
  [...world.manager.ingresses.list()].map(({ id, rules }) => `${id} ${rules[0]?.match.hostname}`);
const at = (id: string, hostname: string, more: Partial<Ingress> = {}): Ingress =>
  ingressOf(id, { rules: [ruleOf({ hostname })], ...more });
/** The second one is served. */
const rivals = [at("a", "same.test"), at("b", "same.test", { updated_at: "2027-01-01T00:00:00.000Z" })];
const strict = { tls: true, tls_options: { issuer: "internal", min_version: "1.3" } } as const;
const loose = { tls: true, tls_options: { issuer: "internal", min_version: "1.2" } } as const;
const secure = (id: string, path: string, options: typeof strict | typeof loose): Ingress =>
  ingressOf(id, {
    rules: [ruleOf({ hostname: "tls.test", port: 443, path: { type: "prefix", value: path } }, options)],
  });

describe("what another one has", () => {
  it("is taken over whole: what is new, what is changed and what is gone", async () => {
    expect(await take([at("b", "new.test"), ingressOf("c")])).toEqual([]);
    expect(served()).toEqual(["b new.test", "c c.example.com"]);
    expect(world.caddy.rows.map(({ host }) => host).sort()).toEqual(["c.example.com", "new.test"]);
  });

  it("is stored in one batch, and again only where it has changed", async () => {
    const wanted = [at("b", "new.test"), ingressOf("c")];
    await take(wanted);
    expect(store.commits).toHaveLength(1);
    await take(wanted);
    await take(structuredClone(wanted));
    expect(store.commits).toHaveLength(1);
    await take([at("b", "new.test", { updated_at: "2026-02-01T00:00:00.000Z" }), ingressOf("c")]);
    expect(store.commits[1]?.puts.map(({ id }) => id)).toEqual(["b"]);
  });

  it("may be nothing", async () => {
    expect(world.manager.followed.isEmpty).toBe(false);
    expect(await take([])).toEqual([]);
    expect([served(), world.manager.followed.isEmpty]).toEqual([[], true]);
  });

  it("takes what is set aside away, too", async () => {
    await hold(rivals);
    expect(world.manager.ingresses.setAside().map(({ id }) => id)).toEqual(["a"]);
    await take([]);
    expect(world.manager.ingresses.setAside()).toEqual([]);
  });

  it("is not thought to be nothing while something is set aside", async () => {
    const spoilt = { kind: "document", id: "a", path: "a.json", reason: "spoilt", text: "" } as const;
    await hold([], [spoilt]);
    expect(world.manager.followed.isEmpty).toBe(false);
  });

  it("mends what is set aside, in the place of what stood against it", async () => {
    await hold(rivals);
    expect(await failures([at("a", "same.test"), at("b", "other.test")])).toEqual([]);
    expect(served()).toEqual(["a same.test", "b other.test"]);
    expect(world.manager.ingresses.setAside()).toEqual([]);
  });
});

describe("what is at odds with itself", () => {
  it.each<[string, readonly Ingress[], string]>([
    ["name", [ingressOf("c", { name: "x" }), ingressOf("d", { name: "x" })], "already_exists"],
    ["hostname", [at("c", "x.test"), at("d", "x.test")], "hostname_in_use"],
    ["TLS options", [secure("c", "/c", strict), secure("d", "/d", loose)], "tls_options_conflict"],
  ])("by %s is served but for one", async (_, wanted, code) => {
    const kept = [ingressOf("a"), ingressOf("b")];
    expect(await failures([...kept, ...wanted])).toEqual([`d ${code}`]);
    expect(served().map((line) => line[0])).toEqual(["a", "b", "c"]);
  });

  it("in one group is served but for one, which keeps its place where nobody takes it", async () => {
    const swapped = [at("a", "b.example.com", { name: "x" }), at("b", "a.example.com", { name: "x" })];
    expect(await failures(swapped)).toEqual(["a already_exists"]);
    expect(served()).toEqual(["b a.example.com"]);
    await hold([ingressOf("a"), ingressOf("b")]);
    expect(await failures([at("a", "b.example.com"), at("b", "b.example.com", { name: "x" })])).toEqual([
      "a hostname_in_use",
    ]);
    expect(served()).toEqual(["a a.example.com", "b b.example.com"]);
  });

  it("does not keep what is gone", async () => {
    // `c` wants what `a` and `b` have, and cannot have it twice.
    const rules = ["a", "b", "a"].map((name) => ruleOf({ hostname: `${name}.example.com` }));
    expect(await failures([ingressOf("c", { rules })])).toEqual(["c hostname_in_use"]);
    expect(served()).toEqual([]);
    await hold([ingressOf("a"), ingressOf("b")]);
    // What cannot be read is not gone.
    expect((await take([ingressOf("c", { rules })], "a", "b")).map(({ id }) => id)).toEqual(["c"]);
    expect(served()).toEqual(["a a.example.com", "b b.example.com"]);
  });
});

describe("TLS options", () => {
  it("may be changed by all that have them together, and not by one alone", async () => {
    await hold([secure("a", "/a", strict), secure("b", "/b", strict)]);
    expect(await failures([secure("a", "/a", loose), secure("b", "/b", strict)])).toEqual([
      "a tls_options_conflict",
    ]);
    expect(await failures([secure("c", "/c", loose)])).toEqual([]);
    expect(served()).toEqual(["c tls.test"]);
  });
});

describe("what cannot be changed now", () => {
  it.each(["store_unavailable", "store_conflict"] as const)(
    "(%s) throws, and is changed when it can be",
    async (code) => {
      store.beforeCommit = () => Promise.reject(new GatewrightError(code, "not now"));
      const wanted = [at("a", "b.example.com"), at("b", "a.example.com"), ingressOf("c")];
      await expect(take(wanted)).rejects.toMatchObject({ code });
      expect(served()).toEqual(["a a.example.com", "b b.example.com"]);
      store.beforeCommit = () => Promise.resolve();
      expect(await take(wanted)).toEqual([]);
      expect(served()).toEqual(["a b.example.com", "b a.example.com", "c c.example.com"]);
    },
  );

  it("(a bug) throws as it is", async () => {
    store.beforeCommit = () => Promise.reject(new TypeError("a bug"));
    await expect(take([])).rejects.toThrow("a bug");
  });

  it("(stopping) throws", async () => {
    await world.manager.stop();
    await expect(take([])).rejects.toMatchObject({ code: "shutting_down" });
  });
});
