import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { CaddyApi, RunningVersions } from "../../src/caddy/caddy-api.ts";
import { GatewrightError } from "../../src/errors.ts";
import type { Feed } from "../../src/manager/keeper.ts";
import { startManager } from "../../src/manager/manager.ts";
import type { WriterStep } from "../../src/manager/writer.ts";
import type { Ingress } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { freePort } from "../support/free-port.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface World {
  running: RunningVersions;
  /** Caddy answers with a refusal. */
  refuses: boolean;
  flushes: number;
  restart: () => void;
  onStep: (step: WriterStep) => void;
}

/** A manager before a Caddy that can be restarted at any step, and a feed that counts how often it must tell all. */
async function startWorld() {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-restart-"));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  await registry.put("web-1", { network: { ip: "10.0.0.1" } });
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const world: World = {
    running: { config: "", table: "" },
    refuses: false,
    flushes: 0,
    restart: () => undefined,
    onStep: () => undefined,
  };
  const api: CaddyApi = {
    running: async () => {
      if (world.refuses) throw new GatewrightError("config_validation_failed", "refused");
      return world.running;
    },
    listeners: async () => [],
    load: async ({ apps }) => {
      world.running = { ...world.running, config: apps.gatewright.version };
    },
    patchTable: async ({ from, to }) => {
      if (from !== world.running.table) throw new GatewrightError("store_conflict", "another version");
      world.running = { ...world.running, table: to };
    },
    replaceTable: async ({ version }) => {
      world.running = { ...world.running, table: version };
    },
    pushAddresses: async () => undefined,
    pushTargets: async () => undefined,
    awaitWakes: async () => [],
  };
  const feed: Feed = {
    start: () => undefined,
    flush: () => {
      world.flushes += 1;
    },
    stop: () => undefined,
  };
  const manager = await startManager({
    store: new MemoryStore<Ingress>(),
    resolver: registry,
    api,
    feeds: [feed],
    createHost: ({ started }) => {
      world.restart = () => {
        world.running = { config: "", table: "" };
        started();
      };
      return { start: async () => undefined, whenRunning: async () => undefined };
    },
    compiler: compilerSettings({ folder, httpPort, httpsPort }),
    admission: {
      ports: { httpPort, httpsPort },
      tls: { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] },
      guard: { deny: [], denyLocalPorts: [], allowLoopback: true, allow: [], localAddresses: () => [] },
    },
    logger,
    onStep: (step) => world.onStep(step),
  });
  closers.push(() => manager.stop());
  return { world, manager, logger };
}

describe("a restart of Caddy", () => {
  it("in the middle of a batch has the feeds tell all anew", async () => {
    const { world, manager } = await startWorld();
    expect(world.flushes).toBe(1);
    world.onStep = (step) => {
      if (step === "staged") world.restart();
    };
    const rules = [{ match: { hostname: "a.example.com" }, target: { instance: "web-1", port: 80 } }];
    await manager.ingresses.create({ name: "a", rules });
    await until(() => world.flushes === 2, 3_000);
  });

  it("is made good at once, even when a later attempt is due", async () => {
    const { world, logger } = await startWorld();
    world.refuses = true;
    world.restart();
    await until(() => logger.entries.some(({ message }) => message.includes("trying again")));
    world.refuses = false;
    world.restart();
    // The attempt that is due comes 500 ms after the failure.
    await until(() => world.running.config !== "", 400);
  });
});
