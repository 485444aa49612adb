import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CompilerSettings } from "../../src/compiler/settings.ts";
import type { ApplyStep } from "../../src/manager/apply-step.ts";
import type { Feed } from "../../src/manager/caddy-host.ts";
import { type RunningManager, startManager } from "../../src/manager/manager.ts";
import type { CreateIngressRequest, Ingress, Policies } from "../../src/model/api.ts";
import type { EventDraft } from "../../src/model/event.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { freePort } from "../support/free-port.ts";
import { MemoryCaddy } from "../support/memory-caddy.ts";
import { type MemoryHost, memoryHost } from "../support/memory-host.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";
import { afterSteps } from "../support/writer-steps.ts";

/** A manager before a Caddy and a store in memory, and a feed that notes what it is asked to do. */
export interface ManagerWorld extends AsyncDisposable {
  readonly caddy: MemoryCaddy;
  readonly store: MemoryStore<Ingress>;
  readonly logger: RecordingLogger;
  /** What was told of. */
  readonly events: readonly EventDraft[];
  readonly folder: string;
  manager: RunningManager;
  host: MemoryHost;
  /** What the feed was asked to do, in order. */
  readonly feed: (keyof Feed)[];
  onStep: (step: ApplyStep) => void | Promise<void>;
  /** Creates an ingress with one rule, for `<name>.example.com`. */
  create(name: string, rule?: RuleChanges): Promise<Ingress>;
  /** Ends the manager and starts another one, which finds Caddy as it is. */
  restart(settings?: Partial<CompilerSettings>): Promise<void>;
}

export interface RuleChanges {
  readonly port?: number;
  readonly policies?: Policies;
}

/** The request for one rule, for `<name>.example.com`. */
export function requestFor(name: string, { port, policies }: RuleChanges = {}): CreateIngressRequest {
  const match = { hostname: `${name}.example.com`, ...(port === undefined ? {} : { port }) };
  const rule = { match, target: { instance: "web-1", port: 80 } };
  return { name, rules: [policies === undefined ? rule : { ...rule, policies }] };
}

export async function startWorld(): Promise<ManagerWorld> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "gatewright-manager-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const logger = recordingLogger();
  const events: EventDraft[] = [];
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  await registry.put("web-1", { network: { ip: "10.0.0.1" } });
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const store = new MemoryStore<Ingress>();
  const caddy = new MemoryCaddy();
  const asked: (keyof Feed)[] = [];
  const feed: Feed = {
    start: () => void asked.push("start"),
    flush: () => void asked.push("flush"),
    stop: () => void asked.push("stop"),
  };
  const start = (host: MemoryHost, settings: Partial<CompilerSettings> = {}) =>
    startManager({
      store,
      resolver: registry,
      api: caddy,
      feeds: [feed],
      watchIntervalMs: 100,
      createHost: host.createHost,
      compiler: compilerSettings({ folder, httpPort, httpsPort, ...settings }),
      admission: {
        ports: { httpPort, httpsPort },
        tls: { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] },
        guard: { deny: [], denyLocalPorts: [], allowLoopback: true, allow: [], localAddresses: () => [] },
      },
      events: { emit: (event) => void events.push(event) },
      logger,
      track: afterSteps((step) => world.onStep(step)),
    });
  const host = memoryHost(caddy, folder);
  const world: Omit<ManagerWorld, "manager" | "restart" | "create"> = {
    caddy,
    store,
    logger,
    events,
    folder,
    host,
    feed: asked,
    onStep: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const manager = await start(host);
  const disposal = stack.move();
  const whole: ManagerWorld = Object.assign(world, {
    manager,
    create: (name: string, changes?: RuleChanges) =>
      whole.manager.ingresses.create(requestFor(name, changes)),
    restart: async (settings?: Partial<CompilerSettings>) => {
      await whole.manager.stop();
      whole.host = memoryHost(caddy, folder, true);
      whole.manager = await start(whole.host, settings);
    },
    [Symbol.asyncDispose]: async () => {
      await whole.manager.stop();
      await disposal.disposeAsync();
    },
  });
  return whole;
}
