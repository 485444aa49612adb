import { describe, expect, it } from "vitest";
import { verdictOf } from "../support/history/check.ts";
import type { Effect, Operation, Round } from "../support/history/record.ts";

type Step = readonly [call: number, end: number | undefined, effect: Omit<Effect, "host">, host?: string];

const take = (name: string, over: readonly string[] = []) =>
  ({ do: "take", names: [name], port: 9001, over }) as const;
const release = (...names: string[]) => ({ do: "release", names }) as const;
const held = (name: string) => ({ do: "held", names: [name] }) as const;
const read = (name?: string) =>
  name === undefined
    ? ({ do: "read", names: [] } as const)
    : ({ do: "read", names: [name], port: 9001 } as const);

const round = (steps: readonly Step[], before: Round["before"] = {}): Round => ({
  before,
  operations: steps.map(
    ([call, end, effect, host = "a.test"], client): Operation => ({
      client,
      call,
      ...(end === undefined ? {} : { return: end }),
      host,
      ...effect,
    }),
  ),
});
const lost = undefined;

describe("a history that is right", () => {
  const cases: Readonly<Record<string, readonly Round[]>> = {
    "two that want a hostname at once: one has it": [
      round([
        [1, 9, take("x")],
        [2, 8, held("y")],
        [10, 11, read("x")],
      ]),
    ],
    "one that is deleted while another one takes its hostname": [
      round([
        [1, 2, take("x")],
        [3, 9, release("x")],
        [4, 8, take("y")],
        [10, 11, read("y")],
      ]),
    ],
    "a change without an answer that happened, late": [
      round([
        [1, lost, take("x")],
        [2, 3, take("y")],
        [4, 5, release("y")],
        [6, 7, held("z")],
        [8, 9, read("x")],
      ]),
    ],
    "a change without an answer that did not happen": [
      round([
        [1, lost, take("x")],
        [2, 3, take("y")],
        [4, 5, read("y")],
      ]),
    ],
    "a swap, and rounds that begin where the last one ended": [
      round([
        [1, 2, take("x")],
        [1, 2, take("y"), "b.test"],
        [3, 4, take("y", ["x", "y"])],
        [5, 6, read("y")],
      ]),
      round([[7, 8, held("z")]], { "a.test": { name: "y", port: 9001 } }),
    ],
  };
  it.each(Object.entries(cases))("%s", async (_, rounds) => {
    expect(await verdictOf(rounds)).toMatchObject({ result: "ok" });
  });
});

describe("a history that is wrong", () => {
  const cases: Readonly<Record<string, readonly Round[]>> = {
    "a hostname that two were given": [
      round([
        [1, 9, take("x")],
        [2, 8, take("y")],
        [10, 11, read("x")],
      ]),
    ],
    "what was acknowledged is not there": [
      round([
        [1, 2, take("x")],
        [3, 4, read()],
      ]),
    ],
    "what was deleted is there": [
      round([
        [1, 2, take("x")],
        [3, 4, release("x")],
        [5, 6, read("x")],
      ]),
    ],
    "a refusal that rests on what is gone": [
      round([
        [1, 2, take("x")],
        [3, 4, release("x")],
        [5, 6, held("y")],
        [7, 8, read()],
      ]),
    ],
    "an answer that comes after what it rests on was over": [
      round([
        [1, 2, take("x")],
        [3, 4, { do: "absent", names: ["x"] }],
        [5, 6, read("x")],
      ]),
    ],
    "another target than the last one": [
      round([
        [1, 2, take("x")],
        [3, 4, { ...take("x", ["x"]), port: 9002 }],
        [5, 6, read("x")],
      ]),
    ],
    "a change without an answer that happened twice": [
      round([
        [1, lost, take("x")],
        [2, 3, held("y")],
        [4, 5, release("x")],
        [6, 7, held("y")],
      ]),
    ],
    "a change of a round before": [round([]), round([[1, 2, read("x")]])],
  };
  it.each(Object.entries(cases))("%s", async (_, rounds) => {
    expect(await verdictOf(rounds)).toMatchObject({ result: "illegal", host: "a.test" });
  });
});
