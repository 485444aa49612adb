import { afterEach, describe, expect, it } from "vitest";
import type { TargetPush } from "../../src/caddy/caddy-api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import type { TrafficDocument } from "../../src/targets/instance-modes.ts";
import { InstanceModes } from "../../src/targets/instance-modes.ts";
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
    expect(pushes.splice(0)).toMatchObject([
      { rules: {}, instances: { "web-1": { mode: "pause", pause_ms: 5000 } } },
    ]);
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
});
