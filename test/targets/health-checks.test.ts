import { afterEach, describe, expect, it } from "vitest";
import type { ActiveHealthCheck, Ingress, IngressTarget } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
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
  put(name: string, ip: string, service?: string): Promise<unknown>;
}

async function startWorld(): Promise<World> {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  const failing = new Set<string>();
  const asked = new Map<string, number>();
  const told: string[] = [];
  const probe = async ({ ip, port }: ProbeTarget): Promise<Verdict> => {
    const dial = `${ip}:${port}`;
    asked.set(dial, (asked.get(dial) ?? 0) + 1);
    return failing.has(dial) ? "status 500" : undefined;
  };
  const refuses = (ip: string): string | undefined => (ip === "10.0.0.66" ? "is link-local" : undefined);
  const health = new HealthChecks({ resolver: registry, refuses, probe, logger });
  health.watch((rules) => told.push(...rules));
  closers.push(
    () => registry.close(),
    () => health.stop(),
  );
  const put = (name: string, ip: string, service?: string) =>
    registry.put(name, { network: { ip }, ...(service === undefined ? {} : { service }) });
  return { registry, health, failing, asked, told, put };
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
    expect(told).toEqual(["a/0"]);
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
});
