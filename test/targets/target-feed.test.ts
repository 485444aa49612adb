import { afterEach, describe, expect, it } from "vitest";
import type { TargetPush } from "../../src/caddy/caddy-api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import type { TrafficDocument } from "../../src/targets/instance-modes.ts";
import { InstanceModes, parseTraffic } from "../../src/targets/instance-modes.ts";
import { TargetFeed } from "../../src/targets/target-feed.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startWorld(documents: readonly TrafficDocument[] = []) {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  await registry.put("web-1", { id: "id-of-web-1", service: "web", network: { ip: "10.0.0.1" } });
  const modes = new InstanceModes({ store: new MemoryStore<TrafficDocument>(documents), logger });
  await modes.start();
  const unhealthy = new Map<string, readonly string[]>();
  let tell: (rules: readonly string[]) => void = () => undefined;
  const pushes: TargetPush[] = [];
  const caddy = { fails: false };
  const feed = new TargetFeed({
    api: {
      pushTargets: async (push) => {
        if (caddy.fails) throw new Error("no answer");
        pushes.push(push);
      },
    },
    health: {
      rules: () => [...unhealthy.keys()],
      healthOf: (rule) => ({ unhealthy: unhealthy.get(rule) ?? [] }),
      watch: (listener) => {
        tell = listener;
        return () => undefined;
      },
    },
    modes,
    resolver: registry,
    logger,
    retryMs: 10,
  });
  feed.start();
  closers.push(
    () => registry.close(),
    () => modes.close(),
    () => feed.stop(),
  );
  const setUnhealthy = (rule: string, ...dials: readonly string[]): void => {
    unhealthy.set(rule, dials);
    tell([rule]);
  };
  return { registry, modes, feed, pushes, caddy, setUnhealthy, logger };
}

const drained = { mode: "drain", service: "web", addresses: ["10.0.0.1"] } as const;

describe("the feed of targets", () => {
  it("tells modes by name and id with the addresses in a service, and their end", async () => {
    const { feed, modes, pushes, registry } = await startWorld();
    feed.open();
    await feed.delivered();
    expect(pushes.splice(0)).toEqual([{ reset: true, rules: {}, instances: {} }]);
    await modes.set("web-1", "drain");
    await feed.delivered();
    expect(pushes.splice(0)).toEqual([
      { rules: {}, instances: { "web-1": drained, "id-of-web-1": drained } },
    ]);
    await registry.put("web-1", { service: "web", network: { ip: "10.0.0.9" } });
    await feed.delivered();
    expect(pushes.splice(0)[0]?.instances?.["web-1"]?.addresses).toEqual(["10.0.0.9"]);
    // Its id is nobody's any more; the next instance of the name is drained too.
    await registry.delete("web-1");
    await feed.delivered();
    expect(pushes.at(-1)?.instances).toEqual({
      "web-1": { mode: "drain" },
      "id-of-web-1": { mode: "active" },
    });
    await modes.set("web-1", "active");
    await feed.delivered();
    expect(pushes.at(-1)?.instances).toEqual({ "web-1": { mode: "active" } });
  });

  it("says nothing of rules before their health is known, but modes at once", async () => {
    const since = "2026-01-01T00:00:00Z";
    const { feed, pushes, setUnhealthy } = await startWorld([
      { id: "web-1", mode: "pause", pause_timeout: "5s", since },
    ]);
    setUnhealthy("a/0", "10.0.0.1:80");
    feed.flush();
    await feed.delivered();
    const paused = { mode: "pause", pause_ms: 5000, service: "web", addresses: ["10.0.0.1"] };
    expect(pushes.splice(0)).toEqual([{ rules: {}, instances: { "web-1": paused, "id-of-web-1": paused } }]);
    feed.open();
    await feed.delivered();
    expect(pushes).toMatchObject([{ reset: true, rules: { "a/0": { unhealthy: ["10.0.0.1:80"] } } }]);
  });

  it("sends again what failed, with what changed meanwhile", async () => {
    const { caddy, feed, logger, modes, pushes, setUnhealthy } = await startWorld();
    feed.open();
    await feed.delivered();
    pushes.splice(0);
    caddy.fails = true;
    setUnhealthy("a/0", "10.0.0.1:80");
    await until(() => logger.entries.some(({ message }) => message.includes("did not reach caddy")));
    await expect(feed.delivered()).rejects.toThrow("no answer");
    setUnhealthy("a/0", "10.0.0.2:80");
    await modes.set("web-1", "drain");
    caddy.fails = false;
    await until(() => pushes.length > 0);
    expect(pushes).toMatchObject([
      { rules: { "a/0": { unhealthy: ["10.0.0.2:80"] } }, instances: { "web-1": drained } },
    ]);
  });

  it("sends the whole again when it failed, and not only what it held", async () => {
    const { caddy, feed, pushes, setUnhealthy } = await startWorld();
    setUnhealthy("a/0", "10.0.0.1:80");
    caddy.fails = true;
    feed.open();
    await expect(feed.delivered()).rejects.toThrow("no answer");
    caddy.fails = false;
    await until(() => pushes.length > 0);
    // What Caddy was told of other rules by somebody before must end.
    expect(pushes).toEqual([
      { reset: true, rules: { "a/0": { unhealthy: ["10.0.0.1:80"] } }, instances: {} },
    ]);
  });

  it("ends a mode under an id that went while pushes failed", async () => {
    const { caddy, feed, modes, pushes, registry } = await startWorld();
    await modes.set("web-1", "drain");
    await feed.delivered();
    caddy.fails = true;
    await registry.delete("web-1");
    await expect(feed.delivered()).rejects.toThrow("no answer");
    caddy.fails = false;
    await until(() => pushes.length > 1);
    expect(pushes.at(-1)?.instances).toEqual({
      "web-1": { mode: "drain" },
      "id-of-web-1": { mode: "active" },
    });
  });

  it("pauses for 30 s unless told otherwise, and says nothing of a service without an address", async () => {
    const { feed, modes, pushes, registry } = await startWorld();
    await registry.put("off", { id: "id-off", service: "web", network: { ip: null } });
    await modes.set("off", "pause");
    await feed.delivered();
    const told = { mode: "pause", pause_ms: 30_000 };
    expect(pushes.at(-1)?.instances).toEqual({ off: told, "id-off": told });
  });

  it("tells no addresses of instances that are active, and nothing of them when they change", async () => {
    const { feed, modes, pushes, registry } = await startWorld();
    feed.open();
    await modes.set("web-1", "active");
    await feed.delivered();
    const active = { mode: "active" };
    expect(pushes.splice(0).at(-1)?.instances).toEqual({ "web-1": active, "id-of-web-1": active });
    await registry.put("web-1", { network: { ip: "10.0.0.2" } });
    await feed.delivered();
    expect(pushes).toEqual([]);
  });

  it("tells of rules that are well when they change, and leaves them out of the whole", async () => {
    const { feed, pushes, setUnhealthy } = await startWorld();
    feed.open();
    setUnhealthy("a/0", "10.0.0.1:80");
    setUnhealthy("b/0");
    await feed.delivered();
    expect(pushes.at(-1)).toMatchObject({
      rules: { "a/0": { unhealthy: ["10.0.0.1:80"] }, "b/0": { unhealthy: [] } },
    });
    feed.flush();
    await feed.delivered();
    expect(pushes.at(-1)).toEqual({
      reset: true,
      rules: { "a/0": { unhealthy: ["10.0.0.1:80"] } },
      instances: {},
    });
  });

  it("sends nothing once it is stopped, such as the health of rules that is known only then", async () => {
    const { feed, pushes } = await startWorld();
    feed.stop();
    feed.open();
    await expect(feed.delivered()).rejects.toThrow("stopped");
    expect(pushes).toEqual([]);
  });
});

describe("modes of instances", () => {
  it("are kept, without regard to case, and since when", async () => {
    const store = new MemoryStore<TrafficDocument>();
    const logger = recordingLogger();
    const modes = new InstanceModes({ store, logger });
    await modes.start();
    expect(modes.get("web")).toEqual({ mode: "active" });
    const set = await modes.set("Web", "pause", "1m");
    expect(set).toMatchObject({ mode: "pause", pause_timeout: "1m" });
    expect(await modes.set("web", "pause", "2m")).toMatchObject({ since: set.since, pause_timeout: "2m" });
    const again = new InstanceModes({ store, logger });
    await again.start();
    expect(again.get("WEB")).toMatchObject({ mode: "pause", pause_timeout: "2m", since: set.since });
    await again.set("web", "active");
    await again.set("web", "active");
    expect([again.names(), store.commits.at(-1)?.deletes]).toEqual([[], ["web"]]);
  });

  it("change only when they are durable", async () => {
    const store = new MemoryStore<TrafficDocument>();
    const modes = new InstanceModes({ store, logger: recordingLogger() });
    await modes.start();
    store.beforeCommit = () => Promise.reject(new Error("disk full"));
    await expect(modes.set("web", "drain")).rejects.toThrow("disk full");
    expect(modes.get("web").mode).toBe("active");
  });

  it("are stored one after another, and told to whoever watches until it does not", async () => {
    const modes = new InstanceModes({ store: new MemoryStore<TrafficDocument>(), logger: recordingLogger() });
    await modes.start();
    const seen: string[] = [];
    const stop = modes.watch((name) => seen.push(name));
    const [drained, paused] = await Promise.all([modes.set("A", "drain", "1m"), modes.set("b", "pause")]);
    // Only a pause ends by itself.
    expect([drained, paused]).toEqual([
      { mode: "drain", since: expect.any(String) },
      { mode: "pause", since: expect.any(String) },
    ]);
    stop();
    await modes.set("c", "drain");
    expect([seen, modes.names(), modes.has("C"), modes.has("d")]).toEqual([
      ["a", "b"],
      ["a", "b", "c"],
      true,
      false,
    ]);
  });

  it("that change count from the change on", async () => {
    const since = "2026-01-01T00:00:00Z";
    const store = new MemoryStore<TrafficDocument>([{ id: "web", mode: "drain", since }]);
    const modes = new InstanceModes({ store, logger: recordingLogger() });
    await modes.start();
    expect(await modes.set("web", "drain")).toEqual({ mode: "drain", since });
    expect((await modes.set("web", "pause")).since).not.toBe(since);
    await modes.close();
    await expect(modes.set("web", "active")).rejects.toThrow("not open");
    expect(modes.get("web").mode).toBe("pause");
  });

  it("that cannot be read are named in the log, and hold up no others", async () => {
    const kept = { id: "web", mode: "drain", since: "2026-01-01T00:00:00Z" } as const;
    const logger = recordingLogger();
    const modes = new InstanceModes({
      store: new MemoryStore<TrafficDocument>(
        [kept],
        [{ kind: "document", id: "x", path: "traffic/x.json", text: "{", reason: "no JSON" }],
      ),
      logger,
    });
    await modes.start();
    expect(modes.names()).toEqual(["web"]);
    expect(logger.entries).toMatchObject([
      { level: "error", fields: { path: "traffic/x.json", reason: "no JSON" } },
    ]);
  });

  const since = "2026-01-01T00:00:00Z";
  it.each([
    { id: "web", mode: "drain", since },
    { id: "web", mode: "pause", since },
    { id: "web", mode: "pause", pause_timeout: "5s", since },
  ])("are read from %j", (document) => {
    expect(parseTraffic({ ...document, more: 1 })).toEqual(document);
  });

  it.each([
    [{ id: 1, mode: "drain", since }, "id and since are missing"],
    [{ id: "web", mode: "drain" }, "id and since are missing"],
    [{ id: "web", mode: "active", since }, "mode is neither drain nor pause"],
    [{ id: "web", since }, "mode is neither drain nor pause"],
  ])("are not read from %j", (document, reason) => {
    expect(() => parseTraffic(document)).toThrow(reason);
  });

  it("lose a time that is no text", () => {
    const document = { id: "web", mode: "pause", since };
    expect(parseTraffic({ ...document, pause_timeout: 5 })).toEqual(document);
  });
});
