import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Check } from "../../src/manager/caddy-state.ts";
import { CaddyWatch, type DriftPolicy } from "../../src/manager/caddy-watch.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";

const expected: Check = { kind: "expected" };
const drifted: Check = { kind: "drifted", reason: "another configuration was loaded" };

/** What Caddy answers; an error: nothing. */
let answer: Check | Error;
let asked: number;
let repairs: number;
let revivals: number;
let revive: () => Promise<void>;
let logger: RecordingLogger;
let watch: CaddyWatch;

function startWatch(policy: DriftPolicy = "repair"): void {
  watch = new CaddyWatch({
    policy,
    check: async () => {
      asked += 1;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    repair: () => {
      repairs += 1;
    },
    revive: async () => {
      revivals += 1;
      await revive();
    },
    logger,
  });
  watch.start();
}

beforeEach(() => {
  vi.useFakeTimers();
  answer = expected;
  asked = 0;
  repairs = 0;
  revivals = 0;
  revive = () => Promise.resolve();
  logger = recordingLogger();
});
afterEach(() => {
  watch.stop();
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const logged = (): readonly string[] => logger.entries.map(({ level, message }) => `${level} ${message}`);

it("asks every two seconds, and nothing once it is stopped", async () => {
  startWatch();
  await pass(1_999);
  expect(asked).toBe(0);
  await pass(4_001);
  expect(asked).toBe(3);
  expect([watch.isUp, watch.hasDrifted, watch.drifts, watch.reasons()]).toEqual([true, false, 0, []]);
  watch.stop();
  await pass(10_000);
  expect(asked).toBe(3);
  expect(logged()).toEqual([]);
});

it("asks nothing more when it is stopped while Caddy is being asked", async () => {
  const held = Promise.withResolvers<Check>();
  watch = new CaddyWatch({
    policy: "repair",
    check: () => {
      asked += 1;
      return held.promise;
    },
    repair: () => undefined,
    revive: () => Promise.resolve(),
    logger,
  });
  watch.start();
  await pass(2_000);
  watch.stop();
  held.resolve(expected);
  await pass(10_000);
  expect(asked).toBe(1);
});

describe("drift", () => {
  it("is repaired, and stands until it is", async () => {
    startWatch();
    answer = drifted;
    await pass(2_000);
    const reason = "caddy runs something else than it was given: another configuration was loaded";
    expect([watch.hasDrifted, watch.drifts, repairs, watch.reasons()]).toEqual([true, 1, 1, [reason]]);
    expect(logged()).toEqual(["warn caddy was changed by somebody else; giving it its own again"]);
    expect(watch.isUp).toBe(true);
    watch.noteRestored();
    expect([watch.hasDrifted, watch.reasons()]).toEqual([false, []]);
    await pass(2_000);
    expect([watch.drifts, repairs]).toEqual([2, 2]);
  });

  it("is left with DRIFT=report, and stands until Caddy has its own", async () => {
    startWatch("report");
    answer = drifted;
    await pass(2_000);
    expect([watch.hasDrifted, watch.drifts, repairs]).toEqual([true, 1, 0]);
    expect(logged()).toEqual(["warn caddy was changed by somebody else; left as it is (DRIFT=report)"]);
    answer = { kind: "drifted-still", reason: "another configuration was loaded" };
    await pass(4_000);
    answer = { kind: "unsure" };
    await pass(2_000);
    expect([watch.hasDrifted, watch.drifts, logged().length]).toEqual([true, 1, 1]);
    answer = expected;
    await pass(2_000);
    expect([watch.hasDrifted, watch.drifts]).toEqual([false, 1]);
  });

  it("is no more with another process", async () => {
    startWatch();
    answer = drifted;
    await pass(2_000);
    watch.noteStart();
    expect([watch.hasDrifted, watch.reasons()]).toEqual([false, []]);
  });
});

describe("a Caddy that does not answer", () => {
  it("is asked twice a second, named with the last reason, and said to answer again", async () => {
    startWatch();
    answer = new Error("refused");
    await pass(2_000);
    expect([watch.isUp, watch.reasons()]).toEqual([false, ["caddy does not answer: refused"]]);
    answer = new Error("timed out");
    await pass(1_000);
    expect([asked, watch.reasons()]).toEqual([3, ["caddy does not answer: timed out"]]);
    answer = expected;
    await pass(500);
    expect([watch.isUp, watch.reasons()]).toEqual([true, []]);
    expect(logged()).toEqual(["error caddy does not answer", "info caddy answers again"]);
    expect(logger.entries[0]?.fields).toEqual({ reason: "refused" });
    asked = 0;
    await pass(2_000);
    expect(asked).toBe(1);
  });

  it("is looked at from ten seconds on, each time, until it answers", async () => {
    startWatch();
    answer = new Error("refused");
    await pass(2_000 + 9_500);
    expect(revivals).toBe(0);
    await pass(500);
    expect(revivals).toBe(1);
    // A failure to replace it is not the end.
    revive = () => Promise.reject(new Error("no process"));
    await pass(1_000);
    expect(revivals).toBe(3);
    expect(logged().slice(1)).toEqual(Array(2).fill("error caddy could not be replaced"));
    answer = expected;
    await pass(500);
    // The next silence has ten seconds of its own.
    answer = new Error("refused");
    await pass(2_000 + 9_500);
    expect(revivals).toBe(3);
  });

  it("is named before its drift", async () => {
    startWatch("report");
    answer = drifted;
    await pass(2_000);
    answer = new Error("refused");
    await pass(2_000);
    expect(watch.reasons()).toEqual([
      "caddy does not answer: refused",
      "caddy runs something else than it was given: another configuration was loaded",
    ]);
  });

  it("starts over with another process", async () => {
    startWatch();
    answer = new Error("refused");
    await pass(2_000);
    watch.noteStart();
    expect([watch.isUp, watch.reasons()]).toEqual([true, []]);
  });
});

it("does not ask a Caddy whose process has ended", async () => {
  startWatch();
  answer = drifted;
  await pass(2_000);
  asked = 0;
  watch.noteEnd();
  expect([watch.isUp, watch.reasons()]).toEqual([false, ["caddy is not running; it is being started again"]]);
  await pass(10_000);
  expect(asked).toBe(0);
  answer = expected;
  watch.noteStart();
  expect(watch.isUp).toBe(true);
  await pass(2_000);
  expect(asked).toBe(1);
});
