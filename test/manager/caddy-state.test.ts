import { beforeEach, describe, expect, it } from "vitest";
import type { RunningVersions } from "../../src/caddy/caddy-api.ts";
import { compileConfig } from "../../src/compiler/compile.ts";
import { ConfigNeeds } from "../../src/compiler/config-needs.ts";
import { type CompiledRow, compileRows, policySetsOf } from "../../src/compiler/rows.ts";
import { GatewrightError } from "../../src/errors.ts";
import { CaddyState, type DesiredTable, type Rendered } from "../../src/manager/caddy-state.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { MemoryCaddy, type MemoryCall } from "../support/memory-caddy.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";

const settings = compilerSettings();

/** The configuration for a rule on a port, and its rows. */
function rendered(port: number): Rendered & { readonly rows: readonly CompiledRow[] } {
  const needs = new ConfigNeeds();
  const rows = compileRows(ingressOf("a", { rules: [ruleOf({ hostname: "a.test", port })] }), settings);
  for (const one of rows) needs.add(one);
  return { config: compileConfig(needs, settings), needs, rows };
}
const [first, second] = [rendered(81), rendered(82)];

/** The table of these rows; `from`: as a change of another one. */
const table = (
  version: string,
  { rows }: { readonly rows: readonly CompiledRow[] },
  from?: string,
): DesiredTable => ({
  version,
  rows: () => rows,
  ...(from === undefined ? {} : { delta: { from, remove: [], upsert: rows } }),
});

let caddy: MemoryCaddy;
let logger: RecordingLogger;
let waits: number[];
let whenRunning: () => Promise<void>;
let state: CaddyState;
beforeEach(() => {
  caddy = new MemoryCaddy();
  logger = recordingLogger();
  waits = [];
  whenRunning = () => Promise.resolve();
  state = new CaddyState({
    api: caddy,
    whenRunning: (timeoutMs) => {
      waits.push(timeoutMs);
      return whenRunning();
    },
    logger,
    patienceMs: 300,
  });
});

const lost = new GatewrightError("caddy_unavailable", "no answer");
const refused = new GatewrightError("config_validation_failed", "refused");
const isChange = ({ method }: MemoryCall): boolean => /load|Table/.test(method);
/** The next such call fails, `times` times, before or after its effect. */
function fail(
  at: "onRequest" | "onAnswer",
  method: MemoryCall["method"],
  error: Error = lost,
  times = 1,
): void {
  let left = times;
  caddy[at] = (call) => {
    if (call.method !== method || left === 0) return;
    left -= 1;
    throw error;
  };
}
async function bring(one: typeof first, version = "t1"): Promise<void> {
  await state.load(one);
  await state.setTable(table(version, one));
}
const questions = (): number => caddy.calls.filter((call) => !isChange(call)).length;

describe("what runs", () => {
  it("is asked once, until it is forgotten", async () => {
    await state.running();
    const asked = questions();
    await state.running();
    expect(questions()).toBe(asked);
    state.forget();
    expect(state.known).toBeUndefined();
    await state.running();
    expect(questions()).toBe(2 * asked);
  });

  it("is not loaded again, nor given its table again", async () => {
    expect(await state.load(first)).toBe(true);
    await state.setTable(table("t1", first));
    expect(await state.load(first)).toBe(false);
    await state.setTable(table("t1", first));
    expect(caddy.changes).toEqual(["load", "replaceTable"]);
    state.forget();
    expect(await state.load(first)).toBe(false);
    await state.setTable(table("t1", first));
    expect(caddy.changes).toEqual(["load", "replaceTable"]);
    expect(state.runs(first)).toBe(true);
    expect(state.runs(second)).toBe(false);
  });

  it("is loaded again where its version says something else than it is", async () => {
    await state.load(first);
    caddy.tamper((config) => ({ ...config, storage: { module: "file_system", root: "/elsewhere" } }));
    state.forget();
    await state.running();
    expect(state.runs(first)).toBe(false);
    expect(await state.load(first)).toBe(true);
    expect(caddy.loaded).toEqual(first.config);
  });
});

describe("a table", () => {
  it("comes by the shortest way from a version that is known, and whole from any other", async () => {
    await bring(first);
    await state.setTable(table("t2", first, "t1"));
    await state.setTable(table("t3", first, "t1"));
    expect(caddy.changes.slice(1)).toEqual(["replaceTable", "patchTable", "replaceTable"]);
    expect((await caddy.running()).table).toBe("t3");
  });

  it("comes whole where somebody else gave Caddy another one under its version", async () => {
    await bring(first);
    caddy.tamperTable({ version: "t1", rows: [] });
    await state.check();
    await state.setTable(table("t2", first, "t1"));
    expect(caddy.changes.at(-1)).toBe("replaceTable");
    expect(caddy.rows).toEqual(first.rows.map(({ row }) => row));
    expect(caddy.policySets).toEqual(policySetsOf(first.rows));
  });

  it("is not known to be there when another process was started meanwhile", async () => {
    await state.load(first);
    caddy.onAnswer = ({ method }) => {
      if (method === "replaceTable") state.forget();
    };
    await expect(state.setTable(table("t1", first))).rejects.toMatchObject({
      code: "store_conflict",
      message: "Caddy was started again meanwhile.",
    });
    expect(state.known).toBeUndefined();
  });
});

describe("a configuration", () => {
  it("that somebody else replaces at once is not taken for ours", async () => {
    caddy.onAnswer = ({ method }) => {
      if (method === "load") caddy.tamper(() => second.config);
    };
    await expect(state.load(first)).rejects.toMatchObject({
      code: "store_conflict",
      message: "Caddy was given another configuration meanwhile.",
    });
  });

  it("that somebody else changes at once under its version is not taken for ours", async () => {
    caddy.onAnswer = ({ method }) => {
      if (method !== "load") return;
      caddy.tamper((config) => ({ ...config, storage: { module: "file_system", root: "/elsewhere" } }));
    };
    await expect(state.load(first)).rejects.toMatchObject({ code: "store_conflict" });
  });

  it("that somebody else gave it once more is ours", async () => {
    caddy.onAnswer = ({ method }) => {
      if (method !== "load") return;
      caddy.tamper(() => second.config);
      caddy.tamper(() => first.config);
    };
    expect(await state.load(first)).toBe(true);
    expect(state.runs(first)).toBe(true);
  });
});

describe("patience", () => {
  it.each<["onRequest" | "onAnswer", MemoryCall["method"]]>([
    ["onRequest", "running"],
    ["onRequest", "config"],
    ["onRequest", "load"],
    ["onAnswer", "load"],
    ["onRequest", "replaceTable"],
    ["onAnswer", "replaceTable"],
  ])("goes on from what runs when %s of %s is lost", async (at, method) => {
    fail(at, method);
    await state.patiently(() => bring(first));
    expect([caddy.loaded, caddy.rows]).toEqual([first.config, first.rows.map(({ row }) => row)]);
    expect(logger.entries.map(({ level, fields }) => [level, fields["reason"]])).toEqual([
      ["warn", "no answer"],
    ]);
    expect(waits).toHaveLength(1);
    expect(await state.check()).toEqual({ kind: "expected" });
  });

  it("loads and sends once what arrived, though its answer was lost", async () => {
    fail("onAnswer", "load");
    await state.patiently(() => bring(first));
    fail("onAnswer", "patchTable");
    await state.patiently(() => state.setTable(table("t2", first, "t1")));
    expect(caddy.changes).toEqual(["load", "replaceTable", "patchTable"]);
  });

  it("ends at a refusal, after which nothing is taken for known", async () => {
    await bring(first);
    fail("onRequest", "load", refused);
    await expect(state.patiently(() => bring(second))).rejects.toBe(refused);
    expect([waits, state.known]).toEqual([[], undefined]);
    expect(caddy.loaded).toEqual(first.config);
  });

  it("has an end, waits no longer than is left of it, and names the cause", async () => {
    fail("onRequest", "running", lost, Number.POSITIVE_INFINITY);
    const refusal = await state.patiently(() => bring(first)).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: "caddy_unavailable",
      message: "Caddy does not answer; nothing was changed. Try again.",
      cause: lost,
    });
    expect(waits.length).toBeGreaterThan(0);
    expect(waits).toEqual(waits.toSorted((one, other) => other - one));
    expect(waits.every((ms) => ms >= 0 && ms < 300 && Number.isInteger(ms))).toBe(true);
  });

  it("waits for a Caddy that is down, and ends where it does not come", async () => {
    caddy.kill();
    whenRunning = () => Promise.reject(lost);
    await expect(state.patiently(() => bring(first))).rejects.toBe(lost);
    expect(waits).toHaveLength(1);
  });
});

describe("a look at Caddy", () => {
  it("is unsure before anything was given, after it was forgotten, and while it is being changed", async () => {
    expect(await state.check()).toEqual({ kind: "unsure" });
    await bring(first);
    await state.patiently(async () => {
      expect(await state.check()).toEqual({ kind: "unsure" });
    });
    expect(await state.check()).toEqual({ kind: "expected" });
    state.forget();
    expect(await state.check()).toEqual({ kind: "unsure" });
  });

  it("is unsure when a change was made while it was under way", async () => {
    await bring(first);
    for (const method of ["running", "config"] as const) {
      caddy.tamper((config) => ({ ...config }));
      caddy.onAnswer = (call) => {
        if (call.method === method) state.forget();
      };
      expect(await state.check()).toEqual({ kind: "unsure" });
      caddy.onAnswer = () => undefined;
      await state.patiently(() => bring(first));
    }
  });

  it("asks one small question where nothing has changed, also after it was asked what runs", async () => {
    await bring(first);
    const asked = questions();
    expect(await state.check()).toEqual({ kind: "expected" });
    expect(questions()).toBe(asked + 1);
  });

  it.each<[string, () => unknown]>([
    ["another configuration was loaded", () => caddy.tamper(() => second.config)],
    [
      "its configuration was changed in place",
      () => caddy.tamper(({ storage: _, ...rest }) => rest as typeof first.config),
    ],
    ["another host table was given to it", () => caddy.tamperTable({ version: "t1", rows: [] })],
    ["another host table was given to it", () => caddy.tamperTable({ version: "t2", rows: [] })],
  ])("finds once that %s", async (reason, meddle) => {
    await bring(first);
    meddle();
    expect(await state.check()).toEqual({ kind: "drifted", reason });
    expect(await state.check()).toEqual({ kind: "drifted-still", reason });
    await state.patiently(() => bring(first));
    expect(await state.check()).toEqual({ kind: "expected" });
    meddle();
    expect(await state.check()).toEqual({ kind: "drifted", reason });
  });

  it("finds another drift upon the first", async () => {
    await bring(first);
    caddy.tamper(() => second.config);
    await state.check();
    caddy.tamper(() => rendered(83).config);
    expect(await state.check()).toMatchObject({ kind: "drifted" });
  });

  it("does not take what somebody else gave once more for drift", async () => {
    await bring(first);
    caddy.tamper(() => structuredClone(first.config));
    expect(await state.check()).toEqual({ kind: "expected" });
    caddy.tamper(() => second.config);
    await state.check();
    caddy.tamper(() => first.config);
    expect(await state.check()).toEqual({ kind: "expected" });
    expect(state.known?.isOurs).toBe(true);
  });

  it("goes by the versions where Caddy does not count the changes of its table", async () => {
    class Uncounted extends MemoryCaddy {
      override async running(): Promise<RunningVersions> {
        return { ...(await super.running()), changes: undefined };
      }
    }
    caddy = new Uncounted();
    state = new CaddyState({ api: caddy, whenRunning: () => whenRunning(), logger });
    await bring(first);
    await state.setTable(table("t2", first, "t1"));
    expect(caddy.changes.at(-1)).toBe("patchTable");
    expect(await state.check()).toEqual({ kind: "expected" });
    caddy.tamperTable({ version: "other", rows: [] });
    expect(await state.check()).toMatchObject({ kind: "drifted" });
    await bring(first, "t3");
    expect(caddy.rows).toEqual(first.rows.map(({ row }) => row));
  });

  it("throws where Caddy does not answer", async () => {
    await bring(first);
    caddy.kill();
    await expect(state.check()).rejects.toMatchObject({ code: "caddy_unavailable" });
  });
});
