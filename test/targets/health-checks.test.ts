import { afterEach, describe, expect, it } from "vitest";
import type { ActiveHealthCheck, Ingress, IngressTarget } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import type { TargetAddresses } from "../../src/targets/address-lookup.ts";
import { HealthChecks } from "../../src/targets/health-checks.ts";
import type { ProbeTarget, Verdict } from "../../src/targets/probe.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
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
  /** What look-ups of other names find. */
  readonly names: Map<string, TargetAddresses>;
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
  const names = new Map<string, TargetAddresses>();
  const lookup = { find: async (name: string) => names.get(name) ?? { addresses: [] } };
  const health = new HealthChecks({ resolver: registry, refuses, probe, logger, lookup });
  health.watch((rules) => told.push(...rules));
  closers.push(
    () => registry.close(),
    () => health.stop(),
  );
  const put = (name: string, ip: string, service?: string) =>
    registry.put(name, { network: { ip }, ...(service === undefined ? {} : { service }) });
  return { registry, health, failing, asked, told, held, names, put };
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
    expect(health.healthOf("a/0")).toEqual({ unhealthy: ["10.0.0.2:80"], healthy: ["10.0.0.1:80"] });
    told.length = 0;
    late.resolve();
    await until(() => told.length > 0);
    expect(health.healthOf("a/0")).toEqual({ unhealthy: ["10.0.0.2:80"] });
  });

  it("C8: keep what they found while a look-up fails, also in an ingress that changes meanwhile", async () => {
    const { asked, health, failing, names } = await startWorld();
    const named = (name: string) => ({ ...ingress("a", [{ address: "db.test", port: 80 }]), name });
    names.set("db.test", { addresses: [], reason: "DNS: ESERVFAIL", failed: true });
    await health.start([named("one")]);
    // Nothing is known of the addresses, so what Caddy was told of them before holds.
    expect(health.healthOf("a/0")).toEqual({ unhealthy: [], healthy: [] });
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
});
