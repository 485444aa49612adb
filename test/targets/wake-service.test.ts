import { afterEach, describe, expect, it } from "vitest";
import type { TargetPush } from "../../src/caddy/caddy-api.ts";
import type { Ingress } from "../../src/model/api.ts";
import { WakeService } from "../../src/targets/wake-service.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const times = { created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" };
const ingress = (wake: boolean): Ingress => ({
  id: "a",
  name: "a",
  ...times,
  rules: [
    {
      match: { hostname: "a.example.com", port: 80 },
      target: { instance: "vm", port: 80, wake },
      tls: false,
      redirect_http: false,
    },
  ],
});

/** A Caddy that names the given instances, each list once, and a source whose wake-ups end as they are told. */
function startWorld({ retryMs = 5 } = {}) {
  const questions: ((names: readonly string[] | Promise<never>) => void)[] = [];
  const caddy = { takes: true };
  const logger = recordingLogger();
  const wakes: { readonly name: string; readonly end: PromiseWithResolvers<void> }[] = [];
  const pushes: TargetPush[] = [];
  const service = new WakeService({
    api: {
      awaitWakes: (signal) =>
        new Promise((resolve, reject) => {
          questions.push(resolve);
          signal.addEventListener("abort", () => reject(new Error("aborted")));
        }),
      pushTargets: async (push) => {
        pushes.push(push);
        if (!caddy.takes) throw new Error("gone");
      },
    },
    wake: (name) => {
      const end = Promise.withResolvers<void>();
      wakes.push({ name, end });
      return end.promise;
    },
    logger,
    retryMs,
  });
  closers.push(() => service.stop());
  /** Answers the question that waits, or the next one. */
  const ask = async (...names: readonly string[]): Promise<void> => {
    await until(() => questions.length > 0);
    questions.shift()?.(names);
    // The next question says that this one was taken.
    await until(() => questions.length > 0);
  };
  return { service, questions, wakes, pushes, ask, caddy, logger };
}

describe("instances that requests wait for", () => {
  it("are woken once, however often Caddy names them meanwhile, and again afterwards", async () => {
    const { service, wakes, pushes, ask } = startWorld();
    service.put(ingress(true));
    await ask("vm", "other");
    await ask("vm");
    await ask("vm");
    expect(wakes.map(({ name }) => name)).toEqual(["vm", "other"]);
    wakes[0]?.end.resolve();
    await until(() => pushes.length === 1);
    expect(pushes).toEqual([{ wakes: { vm: {} } }]);
    await ask("vm");
    expect(wakes.map(({ name }) => name)).toEqual(["vm", "other", "vm"]);
  });

  it("are told to Caddy with why they could not be woken, and may be named again", async () => {
    const { service, wakes, pushes, ask } = startWorld();
    service.put(ingress(true));
    await ask("vm");
    wakes[0]?.end.reject(new Error("no room"));
    await until(() => pushes.length === 1);
    expect(pushes).toEqual([{ wakes: { vm: { error: "no room" } } }]);
    await ask("vm");
    expect(wakes).toHaveLength(2);
  });

  it("are asked for only while an ingress has one to wake", async () => {
    const { service, questions, ask } = startWorld();
    service.put(ingress(false));
    expect(questions).toHaveLength(0);
    service.put(ingress(true));
    service.put(ingress(true));
    await ask();
    expect(questions).toHaveLength(1);
    service.remove("a");
    questions.shift()?.([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(questions).toHaveLength(0);
    service.put(ingress(true));
    expect(questions).toHaveLength(1);
  });

  it("are asked for again after a while when Caddy does not answer", async () => {
    const { service, questions, wakes, logger } = startWorld();
    service.put(ingress(true));
    for (let failures = 0; failures < 3; failures++) {
      questions.shift()?.(Promise.reject(new Error("gone")));
      // Not at once: a Caddy that is down would be asked without end.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(questions).toHaveLength(0);
      await until(() => questions.length > 0);
    }
    questions.shift()?.(["vm"]);
    await until(() => wakes.length === 1);
    const entry = {
      level: "debug",
      message: "caddy was not asked which instances to wake; trying again",
      fields: { error: new Error("gone") },
    };
    expect(logger.entries).toMatchObject([entry, entry, entry]);
  });

  it("are woken again although Caddy could not be told of the time before", async () => {
    const { service, caddy, wakes, pushes, ask, logger } = startWorld();
    service.put(ingress(true));
    caddy.takes = false;
    await ask("vm");
    wakes[0]?.end.resolve();
    await until(() => pushes.length === 1);
    await ask("vm");
    wakes[1]?.end.reject("no room");
    await until(() => pushes.length === 2);
    await ask("vm");
    expect(wakes).toHaveLength(3);
    expect(pushes).toEqual([{ wakes: { vm: {} } }, { wakes: { vm: { error: "no room" } } }]);
    const said = logger.entries.filter(({ level }) => level !== "debug");
    expect(said.map(({ level, fields }) => [level, fields["instance"]])).toEqual([
      ["info", "vm"],
      ["warn", "vm"],
    ]);
  });

  it("are neither asked for nor woken once it is stopped, also while it waits to ask again", async () => {
    const answered = startWorld();
    answered.service.put(ingress(true));
    answered.service.stop();
    answered.questions.shift()?.(["vm"]);
    const waiting = startWorld({ retryMs: 3_600_000 });
    waiting.service.put(ingress(true));
    waiting.questions.shift()?.(Promise.reject(new Error("gone")));
    await until(() => waiting.logger.entries.length > 0);
    waiting.service.stop();
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect([answered.wakes, answered.questions, waiting.questions]).toEqual([[], [], []]);
  });
});
