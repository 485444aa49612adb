import { afterEach, describe, expect, it, vi } from "vitest";
import type { ActiveHealthCheck, Ingress, IngressTarget } from "../../src/model/api.ts";
import type { ResolverChange } from "../../src/resolver/instance-resolver.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import type { TargetAddresses } from "../../src/targets/address-lookup.ts";
import { HealthChecks } from "../../src/targets/health-checks.ts";
import type { ProbeTarget, Verdict } from "../../src/targets/probe.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0).reverse()) await close();
});

interface World {
  readonly registry: InstanceRegistry;
  readonly health: HealthChecks;
  /** Addresses that fail, and how often each was asked. */
  readonly failing: Set<string>;
  readonly asked: Map<string, number>;
  readonly told: string[];
  /** Checks of these addresses end only with the promise. */
  readonly held: Map<string, Promise<unknown>>;
  /** What look-ups of other names find, and which were made. */
  readonly names: Map<string, TargetAddresses | Promise<TargetAddresses>>;
  readonly looked: string[];
  readonly logger: RecordingLogger;
  put(name: string, ip: string, service?: string): Promise<unknown>;
}

async function startWorld(): Promise<World> {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  const failing = new Set<string>();
  const asked = new Map<string, number>();
  const told: string[] = [];
  const held = new Map<string, Promise<unknown>>();
  const probe = async ({ ip, port }: ProbeTarget): Promise<Verdict> => {
    const dial = `${ip}:${port}`;
    asked.set(dial, (asked.get(dial) ?? 0) + 1);
    await held.get(dial);
    return failing.has(dial) ? "status 500" : undefined;
  };
  const refuses = (ip: string): string | undefined => (ip === "10.0.0.66" ? "is link-local" : undefined);
  const names = new Map<string, TargetAddresses | Promise<TargetAddresses>>();
  const looked: string[] = [];
  const find = async (name: string) => {
    looked.push(name);
    return names.get(name) ?? { addresses: [] };
  };
  const lookup = { find };
  const health = new HealthChecks({ resolver: registry, refuses, probe, logger, lookup });
  health.watch((rules) => told.push(...rules));
  closers.push(
    () => registry.close(),
    () => health.stop(),
  );
  const put = (name: string, ip: string, service?: string) =>
    registry.put(name, { network: { ip }, ...(service === undefined ? {} : { service }) });
  return { registry, health, failing, asked, told, held, names, looked, logger, put };
}

function ingress(id: string, targets: readonly IngressTarget[], active: ActiveHealthCheck = {}): Ingress {
  const rule = {
    match: { hostname: `${id}.example.com`, port: 80 },
    targets,
    tls: false,
    redirect_http: false,
    policies: { health_check: { active: { interval: "100ms", unhealthy_threshold: 1, ...active } } },
  };
  return {
    id,
    name: id,
    rules: [rule],
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
  };
}

const web = [{ service: "web", port: 80 }];

describe("health checks", () => {
  it("name the unhealthy addresses of a rule, and follow instances", async () => {
    const { health, failing, put, told } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    failing.add("10.0.0.2:80");
    await health.start([ingress("a", web)]);
    expect(health.unhealthyOf("a/0")).toEqual([]);
    await put("web-2", "10.0.0.2", "web");
    await until(() => health.unhealthyOf("a/0").length === 1);
    expect(health.unhealthyOf("a/0")).toEqual(["10.0.0.2:80"]);
    expect([...new Set(told)]).toEqual(["a/0"]);
    await put("web-2", "10.0.0.3", "web");
    await until(() => health.stateOf({ id: "a" }, 0, "10.0.0.3:80")?.health === "healthy");
    expect(health.unhealthyOf("a/0")).toEqual([]);
    expect(health.stateOf({ id: "a" }, 0, "10.0.0.2:80")).toBeUndefined();
  });

  it("are shared by rules with equal checks, and end with the last", async () => {
    const { health, asked, put } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    const slow = { interval: "1h" };
    await health.start([
      ingress("a", web, slow),
      ingress("b", web, slow),
      ingress("c", web, { ...slow, path: "/other" }),
    ]);
    expect(asked.get("10.0.0.1:80")).toBe(2);
    health.remove("a");
    expect(health.stateOf({ id: "b" }, 0, "10.0.0.1:80")?.health).toBe("healthy");
    expect(health.stateOf({ id: "a" }, 0, "10.0.0.1:80")).toBeUndefined();
    expect(health.rules()).toEqual(["b/0", "c/0"]);
  });

  it("go on with what they know when an ingress changes elsewhere, and start over when its check changes", async () => {
    const { health, asked, put } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    const slow = { interval: "1h" };
    await health.start([ingress("a", web, slow)]);
    await health.put({ ...ingress("a", web, slow), name: "renamed" });
    expect(asked.get("10.0.0.1:80")).toBe(1);
    await health.put(ingress("a", web, { ...slow, path: "/new" }));
    await until(() => asked.get("10.0.0.1:80") === 2);
    await health.put({ ...ingress("a", web), rules: [] });
    expect(health.rules()).toEqual([]);
  });

  it("never ask an address that the guard refuses", async () => {
    const { health, asked, put } = await startWorld();
    await put("sly", "10.0.0.66");
    await health.start([ingress("a", [{ instance: "sly", port: 80 }])]);
    expect(asked.size).toBe(0);
    expect(health.stateOf({ id: "a" }, 0, "10.0.0.66:80")).toMatchObject({
      health: "unhealthy",
      message: "not asked: it is link-local",
    });
  });

  it("ask the port of the check, and name the address that requests go to", async () => {
    const { health, failing, put } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    failing.add("10.0.0.1:9000");
    await health.start([ingress("a", web, { port: 9000 })]);
    expect(health.unhealthyOf("a/0")).toEqual(["10.0.0.1:80"]);
  });

  it("know nothing of targets with captures and of rules without a check", async () => {
    const { health, asked } = await startWorld();
    const one = ingress("a", [{ instance: "{x}", port: 80 }]);
    const [rule] = one.rules;
    const captured = {
      ...one,
      rules: rule === undefined ? [] : [{ ...rule, match: { hostname: "{x}.example.com", port: 80 } }],
    };
    await health.start([captured]);
    expect([asked.size, health.unhealthyOf("a/0"), health.unhealthyOf("b/0")]).toEqual([0, [], []]);
  });

  it("C8: say of a rule that not all is known until each address was checked", async () => {
    const { health, failing, held, put, told } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    await put("web-2", "10.0.0.2", "web");
    await put("web-3", "10.0.0.3", "web");
    failing.add("10.0.0.2:80");
    const late = Promise.withResolvers<void>();
    held.set("10.0.0.3:80", late.promise);
    void health.start([ingress("a", web)]);
    await until(() => health.unhealthyOf("a/0").length === 1);
    await until(() => health.healthOf("a/0").healthy?.length === 1);
    expect(health.healthOf("a/0")).toEqual({
      unhealthy: ["10.0.0.2:80"],
      healthy: ["10.0.0.1:80"],
      wait_ms: 2_000,
    });
    told.length = 0;
    late.resolve();
    await until(() => told.length > 0);
    expect(health.healthOf("a/0")).toEqual({ unhealthy: ["10.0.0.2:80"] });
  });

  it("C8: say that not all is known as long as one of several targets was never found", async () => {
    const { health, names, put } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    names.set("db.test", { addresses: [], reason: "DNS: ESERVFAIL", failed: true });
    await health.start([ingress("a", [...web, { address: "db.test", port: 80 }])]);
    expect(health.healthOf("a/0")).toMatchObject({ unhealthy: [], healthy: ["10.0.0.1:80"] });
  });

  it("C8: keep what they found while a look-up fails, also in an ingress that changes meanwhile", async () => {
    const { asked, health, failing, names } = await startWorld();
    const named = (name: string) => ({ ...ingress("a", [{ address: "db.test", port: 80 }]), name });
    names.set("db.test", { addresses: [], reason: "DNS: ESERVFAIL", failed: true });
    await health.start([named("one")]);
    // Nothing is known of the addresses, so what Caddy was told of them before holds.
    expect(health.healthOf("a/0")).toEqual({ unhealthy: [], healthy: [], wait_ms: 2_000 });
    names.set("db.test", { addresses: ["10.0.0.1", "10.0.0.2"] });
    failing.add("10.0.0.2:80");
    await health.put(named("two"));
    await until(() => health.healthOf("a/0").unhealthy.length === 1);
    const before = asked.get("10.0.0.2:80") ?? 0;
    names.set("db.test", { addresses: [], reason: "DNS: ETIMEOUT", failed: true });
    await health.put(named("three"));
    expect(health.healthOf("a/0")).toEqual({ unhealthy: ["10.0.0.2:80"] });
    await until(() => (asked.get("10.0.0.2:80") ?? 0) > before);
    // An answer that there is nothing is one.
    names.set("db.test", { addresses: [], reason: "DNS: ENOTFOUND" });
    await health.put(named("four"));
    expect(health.healthOf("a/0")).toEqual({ unhealthy: [] });
    expect(health.stateOf({ id: "a" }, 0, "10.0.0.2:80")).toBeUndefined();
  });

  it("look names outside of the instances up every ten seconds, until they end", async () => {
    const { health, looked, names } = await startWorld();
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    names.set("db.test", { addresses: ["10.0.0.1"] });
    await health.start([
      ingress("a", [{ address: "db.test", port: 80 }], { interval: "1h" }),
      ingress("b", web, { interval: "1h" }),
    ]);
    names.set("db.test", { addresses: ["10.0.0.2"] });
    await vi.advanceTimersByTimeAsync(9_999);
    expect(looked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    await until(() => health.stateOf({ id: "a" }, 0, "10.0.0.2:80")?.health === "healthy");
    expect(health.stateOf({ id: "a" }, 0, "10.0.0.1:80")).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(looked).toHaveLength(3);
    health.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([looked.length, health.rules()]).toEqual([3, []]);
  });

  it("take no answer for a rule that was put again or removed while they waited for it", async () => {
    const { health, names, asked } = await startWorld();
    /** Puts a rule of this port whose only name is being looked up. */
    const put = (port: number) => {
      const answer = Promise.withResolvers<TargetAddresses>();
      names.set("slow.test", answer.promise);
      const done = health.put(ingress("a", [{ address: "slow.test", port }], { interval: "1h" }));
      return { done, answer: (ip: string) => answer.resolve({ addresses: [ip] }) };
    };
    const [first, second] = [put(80), put(81)];
    second.answer("10.0.0.2");
    await second.done;
    first.answer("10.0.0.1");
    await first.done;
    await until(() => asked.size > 0);
    expect([...asked.keys()]).toEqual(["10.0.0.2:81"]);
    const third = put(82);
    health.remove("a");
    third.answer("10.0.0.3");
    await third.done;
    expect([health.rules(), [...asked.keys()]]).toEqual([[], ["10.0.0.2:81"]]);
  });

  it("are logged when they turn, and told only to those who watch, only when something changed", async () => {
    const { health, failing, logger, put } = await startWorld();
    const told: (readonly string[])[] = [];
    const stop = health.watch((rules) => told.push(rules));
    await put("web-1", "10.0.0.1", "web");
    await health.start([ingress("a", web), ingress("b", web)]);
    expect(logger.entries).toEqual([]);
    told.length = 0;
    failing.add("10.0.0.1:80");
    await until(() => told.length > 0);
    const [entry] = logger.entries;
    expect([entry?.level, entry?.fields]).toEqual([
      "warn",
      { address: "10.0.0.1:80", rules: ["a/0", "b/0"], reason: "status 500" },
    ]);
    const both = ["a/0", "b/0"];
    expect(told).toEqual([both]);
    // And again when they fail as they did before.
    failing.clear();
    await until(() => told.length === 2);
    failing.add("10.0.0.1:80");
    await until(() => told.length === 3);
    expect(told).toEqual([both, both, both]);
    stop();
    failing.clear();
    await until(() => logger.entries.length === 4);
    expect([logger.entries.map(({ level }) => level), told.length]).toEqual([
      ["warn", "info", "warn", "info"],
      3,
    ]);
    expect(health.unhealthyOf("b/0")).toEqual([]);
  });

  it("tell that the addresses of a rule that goes are no longer unhealthy", async () => {
    const { health, failing, put, told } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    failing.add("10.0.0.1:80");
    await health.start([ingress("a", web)]);
    told.length = 0;
    health.remove("a");
    expect([told, health.healthOf("a/0")]).toEqual([["a/0"], { unhealthy: [] }]);
    health.remove("a");
    expect(told).toEqual(["a/0"]);
  });

  it("follow the instances of a rule's present targets, by name in any case, and all when all may have changed", async () => {
    const { change, health, where } = startView();
    await health.start([ingress("a", [{ instance: "VM-1", port: 80 }], { interval: "1h" })]);
    const dials = (): readonly string[] =>
      ["10.0.0.1", "10.0.0.2", "10.0.0.3"].filter(
        (ip) => health.stateOf({ id: "a" }, 0, `${ip}:80`) !== undefined,
      );
    where.set("vm-1", "10.0.0.2");
    change({ names: ["other"] });
    await turns();
    expect(dials()).toEqual(["10.0.0.1"]);
    change({ names: ["Vm-1"] });
    await turns();
    expect(dials()).toEqual(["10.0.0.2"]);
    where.set("vm-1", "10.0.0.3");
    change({ all: true });
    await turns();
    expect(dials()).toEqual(["10.0.0.3"]);
    await health.put(ingress("a", [{ instance: "vm-2", port: 80 }], { interval: "1h" }));
    const before = where.asked;
    change({ names: ["vm-1"] });
    await turns();
    expect([where.asked - before, dials()]).toEqual([0, ["10.0.0.1"]]);
    health.stop();
    change({ all: true });
    await turns();
    expect(where.asked).toBe(before);
  });

  it("ask no more addresses at once than they may", async () => {
    const ends: (() => void)[] = [];
    const health = new HealthChecks({
      resolver: {
        resolve: () => ({
          kind: "addresses",
          addresses: Array.from({ length: 300 }, (_, at) => `10.0.${at >> 8}.${at & 255}`),
        }),
        watch: () => () => undefined,
      },
      refuses: () => undefined,
      probe: () => new Promise((resolve) => ends.push(() => resolve(undefined))),
      logger: recordingLogger(),
    });
    closers.push(() => health.stop());
    const started = health.start([ingress("a", web, { interval: "1h" })]);
    await turns();
    expect(ends).toHaveLength(256);
    for (const end of ends.splice(0, 10)) end();
    await turns();
    expect(ends).toHaveLength(256);
    while (ends.length > 0) {
      ends.pop()?.();
      await turns();
    }
    await started;
    expect(health.healthOf("a/0")).toEqual({ unhealthy: [] });
  });
});

/** Lets everything happen that waits for nothing else. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Checks that all pass, of instances that are at 10.0.0.1 or where they are said to be. */
function startView() {
  let change: (change: ResolverChange) => void = () => undefined;
  const where = Object.assign(new Map<string, string>(), { asked: 0 });
  const health = new HealthChecks({
    resolver: {
      resolve: (name) => {
        where.asked += 1;
        return { kind: "addresses", addresses: [where.get(name) ?? "10.0.0.1"] };
      },
      watch: (listener) => {
        change = listener;
        return () => {
          change = () => undefined;
        };
      },
    },
    refuses: () => undefined,
    probe: async () => undefined,
    logger: recordingLogger(),
  });
  closers.push(() => health.stop());
  return { change: (what: ResolverChange) => change(what), health, where };
}
