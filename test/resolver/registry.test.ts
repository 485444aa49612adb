import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { GatewrightError, isGatewrightError } from "../../src/errors.ts";
import type { Instance, PutInstanceRequest } from "../../src/model/api.ts";
import { parseInstance } from "../../src/resolver/instance-reader.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import { type InstanceSketch, instanceFrom } from "../support/instances.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { instanceResolverContract } from "./instance-resolver.contract.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(store: MemoryStore<Instance>, now?: () => Date): Promise<InstanceRegistry> {
  const registry = new InstanceRegistry({
    store,
    logger: recordingLogger(),
    ...(now === undefined ? {} : { now }),
  });
  await registry.start();
  closers.push(() => registry.close());
  return registry;
}

function requestOf(sketch: InstanceSketch): PutInstanceRequest {
  const { id, state, network } = instanceFrom(sketch);
  return { id, state, network: { enabled: network.enabled, ip: network.ip } };
}

function to(ip: string | null): PutInstanceRequest {
  return { network: { ip } };
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "accepted",
    (error: unknown) => (isGatewrightError(error) ? error.code : error),
  );
}

instanceResolverContract("the registry", async (initial) => {
  const registry = new InstanceRegistry({
    store: new MemoryStore(initial.map(instanceFrom)),
    logger: recordingLogger(),
  });
  await registry.start();
  return {
    resolver: registry,
    set: async (sketches) => {
      const wanted = new Set(sketches.map((sketch) => sketch.name));
      for (const instance of registry.list())
        if (!wanted.has(instance.name)) await registry.delete(instance.id);
      await Promise.all(sketches.map((sketch) => registry.put(sketch.name, requestOf(sketch))));
    },
    close: () => registry.close(),
  };
});

describe("put", () => {
  it("creates, then updates, keeping id and created_at", async () => {
    let now = new Date("2026-02-03T04:05:06.789Z");
    const registry = await open(new MemoryStore(), () => now);
    const { instance, created } = await registry.put("Web-1", to("10.0.0.5"));
    expect(created).toBe(true);
    expect(instance).toEqual({
      id: expect.stringMatching(/^[a-z][a-z0-9]{23}$/),
      name: "web-1",
      state: "Running",
      network: { enabled: true, ip: "10.0.0.5" },
      created_at: "2026-02-03T04:05:06.789Z",
      updated_at: "2026-02-03T04:05:06.789Z",
    });
    now = new Date("2026-02-03T05:00:00Z");
    const second = await registry.put("web-1", {
      ...to("10.0.0.6"),
      id: "other",
      service: "web",
      tags: { team: "a" },
    });
    expect(second).toEqual({
      created: false,
      instance: {
        ...instance,
        network: { enabled: true, ip: "10.0.0.6" },
        service: "web",
        tags: { team: "a" },
        updated_at: "2026-02-03T05:00:00.000Z",
      },
    });
    expect(registry.resolve("web-1")).toEqual({ kind: "addresses", addresses: ["10.0.0.6"] });
  });

  it("writes nothing when nothing changes", async () => {
    const store = new MemoryStore<Instance>();
    const registry = await open(store);
    const first = await registry.put("web", to("10.0.0.5"));
    const again = await registry.put("web", {
      ...to("10.0.0.5"),
      id: first.instance.id,
      state: "Running",
      tags: {},
    });
    expect(again).toEqual({ instance: first.instance, created: false });
    expect(store.commits).toHaveLength(1);
  });

  it.each([
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a-",
    "a_b",
    "a b",
    "ä",
    "*",
    "{x}",
    "a".repeat(64),
    `${"a.".repeat(100)}bc`,
  ])("refuses the name %j", async (name) => {
    const registry = await open(new MemoryStore());
    await expect(registry.put(name, to(null))).rejects.toMatchObject({
      code: "bad_request",
      details: [{ code: "invalid_value", field: "name" }],
    });
  });

  it.each(["10.0.0.1", "127.0.0.1"])("refuses the address %s as a name", async (name) => {
    const registry = await open(new MemoryStore());
    expect(await codeOf(registry.put(name, to(null)))).toBe("bad_request");
  });

  it.each(["a", "0", "a-b", "a.b", "A", "xn--bcher-kva", "a".repeat(63)])(
    "takes the name %s",
    async (name) => {
      const registry = await open(new MemoryStore());
      expect((await registry.put(name, to(null))).instance.name).toBe(name.toLowerCase());
    },
  );

  it("reports every problem of a request", async () => {
    const registry = await open(new MemoryStore());
    await expect(
      registry.put("web", { id: "../x", name: "other", network: { ip: "10.0.0" } }),
    ).rejects.toMatchObject({
      code: "bad_request",
      details: [{ field: "name" }, { field: "id" }, { field: "network.ip" }],
    });
  });

  it("refuses ids and names that are another instance's, also within one commit", async () => {
    const store = new MemoryStore<Instance>(
      [],
      [{ kind: "document", id: "broken", path: "/broken.json", reason: "not JSON", text: "" }],
    );
    const registry = await open(store);
    await registry.put("web", { ...to("10.0.0.1"), id: "one" });
    expect(await codeOf(registry.put("db", { ...to("10.0.0.2"), id: "one" }))).toBe("already_exists");
    expect(await codeOf(registry.put("one", to("10.0.0.2")))).toBe("already_exists");
    expect(await codeOf(registry.put("db", { ...to("10.0.0.2"), id: "web" }))).toBe("already_exists");
    expect(await codeOf(registry.put("db", { ...to("10.0.0.2"), id: "broken" }))).toBe("already_exists");
    const codes = await Promise.all([
      codeOf(registry.put("a", { ...to("10.0.0.1"), id: "same" })),
      codeOf(registry.put("b", { ...to("10.0.0.2"), id: "same" })),
    ]);
    expect(codes).toEqual(["accepted", "already_exists"]);
    expect(registry.list().map((instance) => instance.name)).toEqual(["a", "web"]);
  });

  it("keeps an instance that claims a link-local address, without resolving it", async () => {
    const registry = await open(new MemoryStore());
    await registry.put("web", to("169.254.169.254"));
    expect(registry.resolve("web")).toEqual({
      kind: "no_address",
      reason: expect.stringContaining("link-local"),
    });
  });
});

describe("delete", () => {
  it("finds by id, name and unique id prefix, also what the same commit put", async () => {
    const store = new MemoryStore([
      instanceFrom({ id: "abc1", name: "a" }),
      instanceFrom({ id: "abd2", name: "b" }),
    ]);
    const registry = await open(store);
    expect(await codeOf(registry.delete("ab"))).toBe("ambiguous");
    expect(await codeOf(registry.delete("zz"))).toBe("not_found");
    expect((await registry.delete("abc")).name).toBe("a");
    const [, deleted, missing, again] = await Promise.all([
      registry.put("c", { ...to(null), id: "cc" }),
      registry.delete("C"),
      codeOf(registry.delete("c")),
      registry.put("c", { ...to("10.0.0.7"), id: "cc" }),
    ]);
    expect([deleted.id, missing, again.created]).toEqual(["cc", "not_found", true]);
    expect(await Promise.all([registry.delete("cc"), codeOf(registry.delete("cc"))])).toMatchObject([
      { id: "cc" },
      "not_found",
    ]);
    expect(registry.list().map((instance) => instance.id)).toEqual(["abd2"]);
  });
});

describe("commits", () => {
  it("gathers the writes that arrive during a commit into the next one, in order", async () => {
    const store = new MemoryStore<Instance>();
    const registry = await open(store);
    await Promise.all(
      Array.from({ length: 2500 }, (_, at) => registry.put(`vm-${at}`, to(`10.1.${at >> 8}.${at & 255}`))),
    );
    expect(store.commits.map((batch) => batch.puts.length)).toEqual([1000, 1000, 500]);
    await Promise.all(["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((ip) => registry.put("vm-0", to(ip))));
    expect(store.commits).toHaveLength(4);
    expect(registry.resolve("vm-0")).toEqual({ kind: "addresses", addresses: ["10.0.0.3"] });
  });

  it("answers nothing new before the change is durable, and nothing at all of one that is refused", async () => {
    const store = new MemoryStore<Instance>();
    const registry = await open(store);
    const seen: unknown[] = [];
    store.beforeCommit = async () => {
      seen.push(registry.resolve("web").kind);
      throw new GatewrightError("store_unavailable", "the disk is full");
    };
    expect(await codeOf(registry.put("web", to("10.0.0.5")))).toBe("store_unavailable");
    expect([seen, registry.resolve("web").kind]).toEqual([["unknown"], "unknown"]);
    store.beforeCommit = async () => undefined;
    expect(await codeOf(registry.put("web", to("10.0.0.5")))).toBe("accepted");
  });

  it("takes in what another writer commits, and judges its own write again after a conflict", async () => {
    const store = new MemoryStore<Instance>();
    const registry = await open(store);
    const changed: string[] = [];
    registry.watch((change) => changed.push(...("names" in change ? change.names : ["*"])));
    const foreign = instanceFrom({ id: "foreign", name: "web", ip: "10.0.0.9" });
    let first = true;
    store.beforeCommit = async () => {
      if (!first) return;
      first = false;
      // Queued behind the commit under way, which then meets another revision.
      void store.commit({ expected: 0, puts: [foreign], deletes: [] });
      throw new GatewrightError("store_conflict", "another writer was first");
    };
    const { instance, created } = await registry.put("web", to("10.0.0.5"));
    expect([instance.id, created]).toEqual(["foreign", false]);
    expect(changed).toEqual(["web", "foreign", "web", "foreign"]);
  });

  it("finishes its writes at close and refuses later ones", async () => {
    const store = new MemoryStore<Instance>();
    const registry = new InstanceRegistry({ store, logger: recordingLogger() });
    expect(registry.resolve("web").kind).toBe("unavailable");
    await registry.start();
    const put = registry.put("web", to("10.0.0.5"));
    await registry.close();
    expect((await put).created).toBe(true);
    expect(store.commits).toHaveLength(1);
    expect(await codeOf(registry.put("db", to(null)))).toBe("shutting_down");
  });
});

describe("on files", () => {
  it("is the same after it was opened again", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gatewright-registry-"));
    closers.push(() => rm(folder, { recursive: true }));
    const first = new InstanceRegistry({
      store: openFileStore({ folder, validate: parseInstance }),
      logger: recordingLogger(),
    });
    await first.start();
    const puts = await Promise.all(["a", "b", "c"].map((name) => first.put(name, to("10.0.0.5"))));
    await first.delete("b");
    await first.close();
    const second = new InstanceRegistry({
      store: openFileStore({ folder, validate: parseInstance }),
      logger: recordingLogger(),
    });
    await second.start();
    expect(second.list()).toEqual([puts[0]?.instance, puts[2]?.instance]);
    await second.close();
    expect(await readdir(folder)).toContain(`${puts[0]?.instance.id}.json`);
  });
});
