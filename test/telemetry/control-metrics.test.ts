import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import type { CreateIngressRequest, Ingress } from "../../src/model/api.ts";
import { FileResolver } from "../../src/resolver/file.ts";
import { HypemanResolver } from "../../src/resolver/hypeman.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import type { StoreStep } from "../../src/store/store-step.ts";
import { type ControlMetrics, createControlMetrics } from "../../src/telemetry/control-metrics.ts";
import { addSourceMetrics } from "../../src/telemetry/source-metrics.ts";
import { freePort } from "../support/free-port.ts";
import { startHypeman } from "../support/hypeman-server.ts";
import { instanceFrom } from "../support/instances.ts";
import { listening } from "../support/listening.ts";
import { type ManagerOverMemory, startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { moved, type Series, seriesOf } from "../support/moved-metrics.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

let metrics: ControlMetrics;
beforeEach(() => {
  metrics = createControlMetrics();
});

const counts = /_count/;

/** Counts that have moved since. */
async function since(before: Series, names = counts): Promise<{ readonly [series: string]: number }> {
  return moved(before, await seriesOf(metrics.registry), names);
}

describe("metrics of changes", () => {
  let world: ManagerOverMemory;
  const change = (outcome: string): string => `change_duration_seconds_count{outcome="${outcome}"}`;
  const step = (name: string, outcome = "ok"): string =>
    `apply_step_duration_seconds_count{step="${name}",outcome="${outcome}"}`;
  const batches = "apply_batch_changes_count";
  const requestFor = (name: string, port?: number): CreateIngressRequest => ({
    name,
    rules: [
      {
        match: { hostname: `${name}.test`, ...(port === undefined ? {} : { port }) },
        target: { instance: "web-1", port: 80 },
      },
    ],
  });
  const create = (name: string, port?: number): Promise<Ingress> =>
    world.manager.ingresses.create(requestFor(name, port));
  const steps = (...names: string[]): { [series: string]: number } =>
    Object.fromEntries(names.map((name) => [step(name), 1]));
  /** A batch that ends well; what follows it tidies. */
  const wholeBatch = { [batches]: 1, ...steps("stage", "render", "apply", "persist", "commit") };
  const tidied = async (before: Series): Promise<void> =>
    until(async () => ((await since(before))[step("restore")] ?? 0) > 0);

  beforeEach(async () => {
    const registry = new InstanceRegistry({
      store: new MemoryStore([instanceFrom({ name: "web-1" })]),
      logger: recordingLogger(),
    });
    await registry.start();
    world = await startManagerOverMemory({
      resolver: registry,
      logger: recordingLogger(),
      track: (work, run, size) => metrics.applies(work, run, size),
    });
  });
  afterEach(() => world[Symbol.asyncDispose]());

  it("tell the start, which brings Caddy to what is stored", async () => {
    expect(await since(new Map())).toEqual(steps("restore"));
  });

  it("tell each step of a change that is made", async () => {
    await create("first", await freePort());
    await until(async () => ((await since(new Map()))[step("restore")] ?? 0) === 2);
    const before = await seriesOf(metrics.registry);
    await create("second");
    await tidied(before);
    // The port of all rules without one is new.
    expect(await since(before)).toEqual({
      [change("ok")]: 1,
      ...wholeBatch,
      ...steps("load", "table", "restore"),
    });
    const later = await seriesOf(metrics.registry);
    await create("third");
    await tidied(later);
    expect(await since(later)).toEqual({ [change("ok")]: 1, ...wholeBatch, ...steps("table", "restore") });
  });

  it("tell how many changes went together, and how many wait", async () => {
    await create("first");
    const held = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    world.caddy.onRequest = ({ method }) => {
      if (method !== "patchTable") return;
      world.caddy.onRequest = () => undefined;
      asked.resolve();
      return held.promise;
    };
    const under = create("under-way");
    await asked.promise;
    const before = await seriesOf(metrics.registry);
    const all = ["a", "b", "c"].map((name) => create(name));
    await until(() => world.manager.waitingChanges() === 3);
    held.resolve();
    await Promise.all([under, ...all]);
    expect(world.manager.waitingChanges()).toBe(0);
    expect(await since(before, /^gatewright_apply_batch_changes_(count|sum|bucket\{le="[24]"\})/)).toEqual({
      'apply_batch_changes_bucket{le="4"}': 1,
      apply_batch_changes_count: 1,
      apply_batch_changes_sum: 3,
    });
  });

  /** What goes wrong, and what is counted of it beside the restore behind it. */
  const failures: readonly {
    readonly of: string;
    readonly code: string;
    provoke(): Promise<unknown>;
    readonly counted: { readonly [series: string]: number };
  }[] = [
    {
      of: "a port that another process has",
      code: "port_in_use",
      async provoke() {
        await using other = await listening(createServer());
        await create("taken", other.port).catch(() => undefined);
      },
      counted: { [step("render", "port_in_use")]: 1, [step("apply", "port_in_use")]: 1 },
    },
    {
      of: "a configuration that Caddy refuses",
      code: "config_validation_failed",
      provoke: () =>
        refused("load", "config_validation_failed", async () => create("refused", await freePort())),
      counted: {
        ...steps("render"),
        [step("load", "config_validation_failed")]: 1,
        [step("apply", "config_validation_failed")]: 1,
      },
    },
    {
      of: "rows that Caddy refuses",
      code: "config_validation_failed",
      provoke: () => refused("patchTable", "config_validation_failed", () => create("refused")),
      counted: {
        ...steps("render"),
        [step("table", "config_validation_failed")]: 1,
        [step("apply", "config_validation_failed")]: 1,
      },
    },
    {
      of: "a store that takes nothing",
      code: "store_unavailable",
      async provoke() {
        world.store.beforeCommit = () => {
          world.store.beforeCommit = () => Promise.resolve();
          return Promise.reject(new GatewrightError("store_unavailable", "full"));
        };
        await create("lost").catch(() => undefined);
      },
      counted: {
        ...steps("render", "apply"),
        // To the new row, and back.
        [step("table")]: 2,
        [step("persist", "store_unavailable")]: 1,
      },
    },
  ];
  async function refused(
    method: "load" | "patchTable",
    code: "config_validation_failed",
    act: () => Promise<unknown>,
  ): Promise<void> {
    world.caddy.onRequest = (call) => {
      if (call.method !== method) return;
      world.caddy.onRequest = () => undefined;
      throw new GatewrightError(code, "refused");
    };
    await act().catch(() => undefined);
  }

  it.each(failures)("tell $of, by its code", async ({ code, counted, provoke }) => {
    await create("before");
    await until(async () => ((await since(new Map()))[step("restore")] ?? 0) === 2);
    const before = await seriesOf(metrics.registry);
    await provoke();
    await tidied(before);
    const { [step("restore")]: restores, ...rest } = await since(before);
    expect(restores).toBeGreaterThan(0);
    expect(rest).toEqual({ [change(code)]: 1, [batches]: 1, ...steps("stage"), ...counted });
  });

  it("tell a change that another one of its batch leaves no room for", async () => {
    const settled = await Promise.allSettled([create("shop"), create("shop")]);
    expect(settled.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await since(new Map(), /change_duration_seconds_count/)).toEqual({
      [change("ok")]: 1,
      [change("already_exists")]: 1,
    });
  });

  it("tell each start and end of Caddy", async () => {
    expect(world.manager.caddyHealth()).toMatchObject({ starts: 1, ends: 0 });
    await world.host.crash();
    expect(world.manager.caddyHealth()).toMatchObject({ starts: 2, ends: 1 });
  });
});

describe("metrics of stores", () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => folder[Symbol.asyncDispose]());

  const count = (step: string, outcome = "ok"): string =>
    `store_duration_seconds_count{store="notes",step="${step}",outcome="${outcome}"}`;

  it.each<[string, StoreStep | undefined, { readonly [series: string]: number }]>([
    ["a commit and its checkpoint", undefined, { append: 1, sync: 1, checkpoint: 1 }],
    ["an append that fails", "journal-append", { "append failed": 1 }],
    ["a sync that fails", "journal-sync", { append: 1, "sync failed": 1 }],
    ["a checkpoint that fails", "document-sync", { append: 1, sync: 1, "checkpoint failed": 1 }],
  ])("tell %s", async (_, refuses, expected) => {
    let isRefused = true;
    const store = openFileStore({
      folder: folder.path,
      idleMs: 3_600_000,
      track: metrics.store("notes"),
      onBackgroundError: () => undefined,
      onStep: (step) => {
        if (isRefused && step === refuses) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      },
    });
    const { revision } = await store.open();
    const isStored = await store.commit({ expected: revision, puts: [{ id: "a" }], deletes: [] }).then(
      () => true,
      () => false,
    );
    if (isStored) await store.checkpoint().catch(() => undefined);
    expect(await since(new Map())).toEqual(
      Object.fromEntries(
        Object.entries(expected).map(([what, times]) => {
          const [step = "", outcome] = what.split(" ");
          return [count(step, outcome), times];
        }),
      ),
    );
    isRefused = false;
    await store.close();
  });
});

describe("metrics of sources", () => {
  const names = /_count|source_state|gatewright_instances/;
  const state = (of: string): string => `source_state{source="it",state="${of}"}`;

  it("tell fetches of a file, how the source does and since when, and the instances by state", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "instances.json");
    await writeFile(path, "[");
    const resolver = new FileResolver({
      path,
      intervalMs: 600_000,
      logger: recordingLogger(),
      track: metrics.fetches("it"),
    });
    const source = { name: "it", status: () => resolver.status() };
    addSourceMetrics(metrics.registry, { instances: () => resolver.states(), source });
    await resolver.start();
    expect(await since(new Map(), names)).toEqual({
      [state("starting")]: 1,
      'source_fetch_duration_seconds_count{source="it",outcome="failed"}': 1,
    });
    const fresh = 'gatewright_source_last_success_timestamp_seconds{source="it"}';
    expect((await seriesOf(metrics.registry)).has(fresh)).toBe(false);
    const began = Date.now() / 1000;
    const web = instanceFrom({ name: "web" });
    await writeFile(path, JSON.stringify([web, { ...web, id: "b", name: "b", state: "Stopped" }]));
    await resolver.reference("b");
    const after = await seriesOf(metrics.registry);
    expect(moved(new Map(), after, /source_state|gatewright_instances/)).toEqual({
      [state("ok")]: 1,
      'instances{state="Running"}': 1,
      'instances{state="Stopped"}': 1,
    });
    expect(
      after.get('gatewright_source_fetch_duration_seconds_count{source="it",outcome="ok"}'),
    ).toBeGreaterThan(0);
    // The clock of dates and that of durations agree to a few milliseconds.
    expect(after.get(fresh)).toBeGreaterThan(began - 1);
    await resolver.close();
  });

  it("tell that hypeman fails, and that what it said is too old", async () => {
    await using hypeman = await startHypeman("token");
    hypeman.instances = [instanceFrom({ name: "web" })];
    const resolver = new HypemanResolver({
      url: hypeman.url,
      token: "token",
      intervalMs: 5,
      staleMs: 100,
      askAgainMs: 0,
      logger: recordingLogger(),
      track: metrics.fetches("it"),
    });
    const source = { name: "it", status: () => resolver.status() };
    addSourceMetrics(metrics.registry, { instances: () => resolver.states(), source });
    await resolver.start();
    expect(await since(new Map(), /source_state/)).toEqual({ [state("ok")]: 1 });
    hypeman.fault = (response) => response.writeHead(500).end();
    await until(() => resolver.status().state === "failing");
    expect(await since(new Map(), /source_state/)).toEqual({ [state("failing")]: 1 });
    await until(async () => ((await since(new Map(), /source_state/))[state("expired")] ?? 0) === 1);
    const failed = 'source_fetch_duration_seconds_count{source="it",outcome="failed"}';
    expect((await since(new Map()))[failed]).toBeGreaterThan(1);
    await resolver.close();
  });
});
