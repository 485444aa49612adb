import { afterEach, describe, expect, it, vi } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import type { IngressService } from "../../src/manager/ingress-service.ts";
import type { ManagerOptions } from "../../src/manager/manager.ts";
import type { CreateIngressRequest, Ingress } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import type { UnreadableDocument } from "../../src/store/document-store.ts";
import { instanceFrom } from "../support/instances.ts";
import { freePorts, type ManagerOverMemory, startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { ingressOf, onPorts, ruleOf } from "../support/sketch.ts";

const started: AsyncDisposable[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const one of started.splice(0)) await one[Symbol.asyncDispose]();
});

interface World extends ManagerOverMemory {
  readonly ingresses: IngressService;
  readonly documents: MemoryStore<Ingress>;
}

/** A manager of stored ingresses and files that cannot be read. */
async function start(
  stored: readonly Ingress[] = [],
  unreadable: readonly UnreadableDocument[] = [],
  more: Partial<ManagerOptions> = {},
): Promise<World> {
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({
    store: new MemoryStore([instanceFrom({ name: "web-1" })]),
    logger,
  });
  await resolver.start();
  const ports = await freePorts();
  const documents = new MemoryStore(
    stored.map((one) => onPorts(one, ports)),
    unreadable,
  );
  const world = await startManagerOverMemory({ resolver, logger, store: documents, ports, ...more });
  started.push(world);
  return { ...world, ingresses: world.manager.ingresses, documents };
}

const request = (name: string, hostname = `${name}.example.com`): CreateIngressRequest => ({
  name,
  rules: [{ match: { hostname }, target: { instance: "web-1", port: 80 } }],
});
const spoilt = (id: string, text = ""): UnreadableDocument => ({
  kind: "document",
  id,
  path: `/data/ingresses/${id}.json`,
  reason: "it is spoilt",
  text,
});
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "done",
    (error: GatewrightError) => error.code,
  );

describe("times", () => {
  it("say when an ingress was made and when it was changed last, also where the clock goes back", async () => {
    const { ingresses } = await start();
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime("2026-03-01T10:00:00Z");
    const made = await ingresses.create(request("a"));
    expect([made.created_at, made.updated_at]).toEqual(Array(2).fill("2026-03-01T10:00:00.000Z"));
    const changeAt = async (time: string): Promise<string> => {
      vi.setSystemTime(time);
      const { created_at, updated_at } = await ingresses.replace(made.id, request("a", `${time[15]}.test`));
      expect(created_at).toBe(made.created_at);
      return updated_at;
    };
    expect(await changeAt("2026-03-01T10:05:00Z")).toBe("2026-03-01T10:05:00.000Z");
    expect(await changeAt("2026-03-01T10:02:00Z")).toBe("2026-03-01T10:05:00.000Z");
    expect(await changeAt("2026-03-01T10:06:00Z")).toBe("2026-03-01T10:06:00.000Z");
  });
});

describe("a change of one version", () => {
  it("is made on that one alone", async () => {
    const { ingresses } = await start();
    const made = await ingresses.create(request("a"));
    const old = ingresses.etag(made);
    const present = ingresses.etag(await ingresses.replace(made.id, request("a", "new.test"), old));
    expect(present).toMatch(/^[0-9a-f]{32}$/);
    expect(present).not.toBe(old);
    expect(await codeOf(ingresses.replace(made.id, request("a"), old))).toBe("precondition_failed");
    expect(await codeOf(ingresses.patch(made.id, { tags: { a: "b" } }, old))).toBe("precondition_failed");
    expect(await codeOf(ingresses.delete(made.id, old))).toBe("precondition_failed");
    expect(await codeOf(ingresses.delete(made.id, present))).toBe("done");
    expect(ingresses.get(made.id)).toBeUndefined();
  });

  it("finds nothing where there is nothing", async () => {
    const { ingresses } = await start();
    expect(await codeOf(ingresses.replace("none", request("a")))).toBe("not_found");
    expect(await codeOf(ingresses.patch("none", {}))).toBe("not_found");
    await expect(ingresses.delete("none")).rejects.toMatchObject({
      code: "not_found",
      message: "resource not found",
    });
  });
});

describe("patches that meet", () => {
  it("are all made, each upon the one before", async () => {
    const { ingresses } = await start();
    const { id } = await ingresses.create(request("a"));
    const keys = ["a", "b", "c", "d"];
    await Promise.all(keys.map((key) => ingresses.patch(id, { tags: { [key]: "x" } })));
    expect(Object.keys(ingresses.get(id)?.tags ?? {}).sort()).toEqual(keys);
  });

  it("are refused where they name a version, and where what they change goes", async () => {
    const { ingresses } = await start();
    const made = await ingresses.create(request("a"));
    const etag = ingresses.etag(made);
    const both = await Promise.all(
      ["a", "b"].map((key) => codeOf(ingresses.patch(made.id, { tags: { [key]: "x" } }, etag))),
    );
    expect(both).toEqual(["done", "precondition_failed"]);
    const [gone, patched] = await Promise.all([
      codeOf(ingresses.delete(made.id)),
      codeOf(ingresses.patch(made.id, { tags: null })),
    ]);
    expect([gone, patched]).toEqual(["done", "not_found"]);
  });

  it("fail as the store fails", async () => {
    const { ingresses, documents } = await start();
    const { id } = await ingresses.create(request("a"));
    documents.beforeCommit = () => Promise.reject(new GatewrightError("store_unavailable", "full"));
    expect(await codeOf(ingresses.patch(id, { tags: { a: "x" } }))).toBe("store_unavailable");
  });
});

describe("an ingress that is set aside", () => {
  const loser = ingressOf("loser", {
    created_at: "2025-01-01T00:00:00.000Z",
    updated_at: "2025-02-01T00:00:00.000Z",
    rules: [ruleOf({ hostname: "same.test" })],
  });
  const winner = ingressOf("winner", { rules: [ruleOf({ hostname: "same.test" })] });

  it("is replaced as a whole, and keeps when it was made", async () => {
    const { ingresses, documents } = await start([loser, winner]);
    const [entry] = ingresses.setAside();
    expect(entry?.id).toBe("loser");
    expect(await codeOf(ingresses.patch("loser", { tags: {} }))).toBe("ingress_set_aside");
    expect(await codeOf(ingresses.replace("loser", request("loser"), "another"))).toBe("precondition_failed");
    expect(await codeOf(ingresses.replace("loser", request("loser", "same.test")))).toBe("hostname_in_use");
    expect(ingresses.setAside()).toHaveLength(1);
    const etag = entry === undefined ? "" : ingresses.etag(entry);
    const mended = await ingresses.replace("loser", request("loser"), etag);
    expect(mended.created_at).toBe(loser.created_at);
    expect([ingresses.setAside(), ingresses.size]).toEqual([[], 2]);
    expect(documents.commits.at(-1)?.puts).toEqual([mended]);
  });

  it("stays set aside when its change cannot be stored", async () => {
    const { ingresses, documents } = await start([loser, winner]);
    documents.beforeCommit = () => Promise.reject(new GatewrightError("store_unavailable", "full"));
    expect(await codeOf(ingresses.replace("loser", request("loser")))).toBe("store_unavailable");
    expect(await codeOf(ingresses.delete("loser"))).toBe("store_unavailable");
    expect(ingresses.setAside().map(({ id }) => id)).toEqual(["loser"]);
    expect(await codeOf(ingresses.create(request("loser", "free.test")))).toBe("already_exists");
    documents.beforeCommit = () => Promise.resolve();
    expect(await codeOf(ingresses.delete("loser"))).toBe("done");
    expect(documents.commits.at(-1)).toMatchObject({ puts: [], deletes: ["loser"] });
    expect(await codeOf(ingresses.create(request("loser", "free.test")))).toBe("done");
  });

  it("is made again where its file cannot be read", async () => {
    const { ingresses } = await start([], [spoilt("broken", '"name":"broken"')]);
    const { created_at, updated_at } = await ingresses.replace("broken", request("broken"));
    expect(created_at).toBe(updated_at);
    expect(ingresses.ready()).toEqual({ ready: true, reasons: [] });
  });

  it("stays where no id names its file", async () => {
    const { ingresses } = await start([], [spoilt("a b")]);
    for (const change of [ingresses.delete("a b"), ingresses.replace("a b", request("a"))]) {
      await expect(change).rejects.toMatchObject({
        code: "ingress_set_aside",
        message: expect.stringContaining("the name of the file a b.json is no id of an ingress"),
      });
    }
  });
});

describe("what a reference leads to", () => {
  it.each<[string, string]>([
    ["abc1", "found abc1"],
    ["abc2", "found abc2"],
    ["name-of-2", "found abc2"],
    ["other", "found other-id"],
    ["broken1", "set-aside broken1"],
    ["shop", "set-aside broken2"],
    ["other-", "found other-id"],
    ["broken1x", "set-aside broken1x"],
    ["broken2", "set-aside broken2"],
    ["abc", "ambiguous"],
    ["broken", "ambiguous"],
    ["mix", "ambiguous"],
    ["mixed-s", "found mixed-served"],
    ["mixed-a", "set-aside mixed-aside"],
    ["nothing", "unknown"],
    ["", "unknown"],
  ])("%j: %s", async (reference, expected) => {
    const { ingresses } = await start(
      [
        ingressOf("abc1"),
        ingressOf("abc2", { name: "name-of-2" }),
        ingressOf("other-id", { name: "other" }),
        ingressOf("mixed-served"),
        // The id of one is the name of another: the id counts.
        ingressOf("last", { name: "abc1" }),
      ],
      [spoilt("broken1"), spoilt("broken1x"), spoilt("broken2", '"name":"shop"'), spoilt("mixed-aside")],
    );
    const found = ingresses.lookup(reference);
    expect("ingress" in found ? `${found.kind} ${found.ingress.id}` : found.kind).toBe(expected);
  });
});

describe("whether requests can be served", () => {
  it("names what is set aside, a hundred one by one", async () => {
    const many = (count: number): readonly UnreadableDocument[] =>
      Array.from({ length: count }, (_, index) => spoilt(`s${String(index).padStart(3, "0")}`));
    const named = await start([], [spoilt("a", '"name":"shop"'), spoilt("b")]);
    const reason = (what: string): string =>
      `ingress ${what} is set aside and not served: it is spoilt; replace or delete it`;
    expect(named.ingresses.ready().reasons).toEqual([reason("a (shop)"), reason("b")]);
    expect((await start([], many(100))).ingresses.ready().reasons).toHaveLength(100);
    const more = (await start([], many(102))).ingresses.ready();
    expect(more.reasons).toHaveLength(101);
    expect(more.reasons.slice(99)).toEqual([reason("s099"), "2 more ingresses are set aside"]);
  });

  it("names damage of the journal", async () => {
    const { ingresses } = await start([], [{ ...spoilt(".journal-00000001"), kind: "journal" }]);
    expect(ingresses.ready().reasons).toEqual([expect.stringMatching(/journal file .* is damaged/)]);
  });
});
