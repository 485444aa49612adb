import { afterEach, describe, expect, it, vi } from "vitest";
import type { TargetPush } from "../../src/caddy/caddy-api.ts";
import { isGatewrightError } from "../../src/errors.ts";
import type { ActiveHealthCheck, Ingress } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import type { TrafficDocument } from "../../src/targets/instance-modes.ts";
import { openTargets } from "../../src/targets/targets.ts";
import { freePort } from "../support/free-port.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0).reverse()) await close();
});

const times = { created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" };

/** A rule to an instance `vm`; checked and woken as told. */
function ingress(port: number, { check, wake }: { check?: ActiveHealthCheck; wake?: boolean } = {}): Ingress {
  const rule = {
    match: { hostname: "a.example.com", port: 80 },
    target: { instance: "vm", port, ...(wake === undefined ? {} : { wake }) },
    tls: false,
    redirect_http: false,
    ...(check === undefined ? {} : { policies: { health_check: { active: check } } }),
  };
  return { id: "a", name: "a", ...times, rules: [rule] };
}

/** Targets with an instance `vm` at 127.0.0.1, before a Caddy that keeps what it is told. */
async function startWorld({ canWake = true } = {}) {
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({ store: new MemoryStore(), logger });
  await resolver.start();
  await resolver.put("vm", { id: "id-vm", network: { ip: "127.0.0.1" } });
  const ingresses = new MemoryStore<Ingress>();
  let { revision } = await ingresses.open();
  const commit = async (puts: readonly Ingress[], deletes: readonly string[]): Promise<void> => {
    revision = await ingresses.commit({ expected: revision, puts, deletes });
  };
  const pushes: TargetPush[] = [];
  /** Awaited before a push is taken. */
  const caddy = { taking: (): Promise<unknown> => Promise.resolve() };
  const questions: { readonly signal: AbortSignal; readonly answer: (names: readonly string[]) => void }[] =
    [];
  const woken: string[] = [];
  const refused = new Map<number, string>();
  const store = new MemoryStore<TrafficDocument>();
  const targets = await openTargets({
    store,
    ingresses,
    resolver,
    api: {
      pushAddresses: async () => undefined,
      pushTargets: async (push) => {
        await caddy.taking();
        pushes.push(push);
      },
      awaitWakes: (signal) => new Promise((answer) => questions.push({ signal, answer })),
    },
    refuses: (_ip, port) => refused.get(port),
    findKeyPair: () => Promise.reject(new Error("no certificates")),
    ...(canWake ? { wake: async (name: string) => void woken.push(name) } : {}),
    logger,
  });
  for (const feed of targets.feeds) feed.start();
  closers.push(
    () => resolver.close(),
    () => targets.close(),
  );
  const health = () => pushes.flatMap(({ rules }) => rules?.["a/0"] ?? []).at(-1);
  return { targets, commit, pushes, caddy, questions, woken, refused, store, health };
}

const slow = { interval: "1h" };

describe("the health of targets", () => {
  it("is told as it becomes known, and of ingresses that are stored later until they go", async () => {
    const { commit, health, pushes, targets } = await startWorld();
    const port = await freePort();
    targets.follow([ingress(port, { check: slow })]);
    // C8: a Caddy that is new, too, has requests wait until then.
    await until(() => pushes.length > 0);
    const rules = { "a/0": { unhealthy: [], healthy: [], wait_ms: 2_000 } };
    expect(pushes[0]).toEqual({ reset: true, rules, instances: {} });
    await until(() => health()?.unhealthy.length === 1);
    expect(health()).toEqual({ unhealthy: [`127.0.0.1:${port}`] });
    const other = await freePort();
    await commit([ingress(other, { check: slow })], []);
    await until(() => health()?.unhealthy[0] === `127.0.0.1:${other}`);
    expect(await targets.report(ingress(other))).toMatchObject([
      { targets: [{ addresses: [{ health: "unhealthy", message: "ECONNREFUSED" }] }] },
    ]);
    await commit([], ["a"]);
    await until(() => health()?.unhealthy.length === 0);
    expect(await targets.report(ingress(other))).toMatchObject([
      { targets: [{ addresses: [{ health: "unchecked" }] }] },
    ]);
  });

  it("asks no address that the guard refuses", async () => {
    const { health, refused, targets } = await startWorld();
    refused.set(81, "is not for you");
    targets.follow([ingress(81, { check: slow })]);
    await until(() => health()?.unhealthy.length === 1);
    expect(await targets.report(ingress(81))).toMatchObject([
      { targets: [{ addresses: [{ message: "not asked: it is not for you" }] }] },
    ]);
  });
});

describe("the mode of an instance", () => {
  it("holds when Caddy was told, and shows in the report", async () => {
    const { pushes, targets } = await startWorld();
    expect(targets.traffic.get("vm")).toEqual({ mode: "active" });
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    const set = await targets.traffic.set("vm", "pause", "5s");
    expect(timers()).toBe(before);
    expect(set).toMatchObject({ mode: "pause", pause_timeout: "5s" });
    expect(pushes.at(-1)?.instances?.["vm"]).toEqual({ mode: "pause", pause_ms: 5_000 });
    expect([targets.traffic.get("VM"), targets.traffic.has("vm")]).toEqual([set, true]);
    expect(await targets.report(ingress(80))).toMatchObject([{ targets: [{ mode: "pause" }] }]);
    await targets.traffic.set("vm", "active");
    expect([pushes.at(-1)?.instances?.["vm"], targets.traffic.has("vm")]).toEqual([
      { mode: "active" },
      false,
    ]);
  });

  it("is kept when Caddy does not answer, and told as soon as it does", async () => {
    const { caddy, pushes, targets } = await startWorld();
    caddy.taking = () => Promise.reject(new Error("gone"));
    const failure = await targets.traffic.set("vm", "drain").catch((error: unknown) => error);
    expect(isGatewrightError(failure, "caddy_unavailable") && [failure.message, failure.cause]).toEqual([
      "Caddy does not answer; the mode is kept, and holds as soon as Caddy answers",
      new Error("gone"),
    ]);
    expect(targets.traffic.get("vm").mode).toBe("drain");
    caddy.taking = () => Promise.resolve();
    await until(() => pushes.at(-1)?.instances?.["vm"]?.mode === "drain");
  });

  it("does not wait for Caddy for longer than five seconds", async () => {
    const { caddy, targets } = await startWorld();
    caddy.taking = () => new Promise(() => undefined);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const failures: unknown[] = [];
    void targets.traffic.set("vm", "drain").catch((error: unknown) => failures.push(error));
    await vi.advanceTimersByTimeAsync(4_900);
    expect(failures).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(failures.map((error) => isGatewrightError(error, "caddy_unavailable"))).toEqual([true]);
  });
});

describe("instances that sleep", () => {
  it("are woken for ingresses that were there and for later ones, until these go", async () => {
    const { commit, questions, targets, woken } = await startWorld();
    targets.follow([ingress(80, { wake: true })]);
    await until(() => questions.length === 1);
    await commit([ingress(80, { wake: false })], []);
    questions[0]?.answer(["vm"]);
    await until(() => woken.length === 1);
    expect(questions).toHaveLength(1);
    await commit([ingress(80, { wake: true })], []);
    await until(() => questions.length === 2);
    await commit([], ["a"]);
    questions[1]?.answer([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect([questions.length, woken]).toEqual([2, ["vm"]]);
  });

  it("are not asked for where the source cannot wake them", async () => {
    const { commit, pushes, questions, targets } = await startWorld({ canWake: false });
    targets.follow([ingress(80, { wake: true })]);
    await commit([ingress(80, { wake: true })], []);
    await commit([], ["a"]);
    await until(() => pushes.length > 0);
    expect(questions).toEqual([]);
  });
});

it("ends what it began when it closes", async () => {
  const { commit, pushes, questions, store, targets } = await startWorld();
  targets.follow([ingress(80, { wake: true })]);
  await until(() => pushes.length === 1 && questions.length === 1);
  await targets.close();
  expect(questions[0]?.signal.aborted).toBe(true);
  const port = await freePort();
  await commit([ingress(port, { check: slow, wake: true })], []);
  await new Promise((resolve) => setImmediate(resolve));
  await expect(store.commit({ expected: 0, puts: [], deletes: [] })).rejects.toThrow("not open");
  expect(await targets.report(ingress(port))).toMatchObject([
    { targets: [{ addresses: [{ health: "unchecked" }] }] },
  ]);
  expect([pushes.length, questions.length]).toEqual([1, 1]);
});
