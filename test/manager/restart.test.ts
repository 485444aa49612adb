import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import type { Feed } from "../../src/manager/keeper.ts";
import { startManager } from "../../src/manager/manager.ts";
import type { WriterStep } from "../../src/manager/writer.ts";
import type { Ingress } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { freePort } from "../support/free-port.ts";
import { MemoryCaddy } from "../support/memory-caddy.ts";
import { type MemoryHost, memoryHost } from "../support/memory-host.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface World {
  readonly caddy: MemoryCaddy;
  readonly host: MemoryHost;
  flushes: number;
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
  const caddy = new MemoryCaddy();
  const host = memoryHost(caddy, folder);
  const world: World = { caddy, host, flushes: 0, onStep: () => undefined };
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
    api: caddy,
    feeds: [feed],
    createHost: host.createHost,
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
      if (step === "staged") void world.host.crash();
    };
    const rules = [{ match: { hostname: "a.example.com" }, target: { instance: "web-1", port: 80 } }];
    await manager.ingresses.create({ name: "a", rules });
    await until(() => world.flushes === 2, 3_000);
  });

  it("is made good at once, even when a later attempt is due", async () => {
    const { world, logger } = await startWorld();
    world.caddy.onRequest = () => {
      throw new GatewrightError("config_validation_failed", "refused");
    };
    await world.host.crash();
    await until(() => logger.entries.some(({ message }) => message.includes("trying again")));
    world.caddy.onRequest = () => undefined;
    const asked = world.caddy.calls.length;
    await world.host.crash();
    // The attempt that is due comes 500 ms after the failure.
    await until(() => world.caddy.calls.length > asked, 400);
  });
});
