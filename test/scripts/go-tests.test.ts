import { beforeEach, expect, test } from "vitest";
import { GoResults } from "../../scripts/go-tests.ts";

let printed: string[] = [];

beforeEach(() => {
  printed = [];
});

const tallyOf = (events: readonly object[]) => {
  const results = new GoResults((line) => printed.push(line));
  for (const event of events) results.add(JSON.stringify(event));
  return results.tally();
};

test("tests without subtests count, their parents do not", () => {
  const Package = "example.com/a/b";
  expect(
    tallyOf([
      { Action: "pass", Package, Test: "TestOne" },
      { Action: "pass", Package, Test: "TestMany/first" },
      { Action: "fail", Package, Test: "TestMany/second" },
      { Action: "fail", Package, Test: "TestMany" },
      { Action: "skip", Package, Test: "TestSkipped" },
      { Action: "fail", Package },
      { Action: "pass", Package: "example.com/a", Test: "TestOne" },
      { Action: "pass", Package: "example.com/a" },
    ]),
  ).toMatchObject({ passed: 3, failed: 1 });
});

test("a package that does not build, or fails outside of its tests, counts as one", () => {
  expect(
    tallyOf([
      { Action: "build-output", ImportPath: "example.com/a", Output: "undefined: x\n" },
      { Action: "build-fail", ImportPath: "example.com/a" },
      { Action: "fail", Package: "example.com/a" },
      { Action: "pass", Package: "example.com/b", Test: "TestOne" },
      { Action: "fail", Package: "example.com/b" },
    ]),
  ).toMatchObject({ passed: 1, failed: 2 });
  expect(printed.join("\n")).toContain("undefined: x");
});

test("tells how long tests without subtests took", () => {
  const Package = "example.com/a";
  const { times } = tallyOf([
    { Action: "pass", Package, Test: "TestMany/first", Elapsed: 2 },
    { Action: "pass", Package, Test: "TestMany", Elapsed: 2.5 },
    { Action: "pass", Package, Elapsed: 3 },
  ]);
  expect(times).toEqual([{ name: "example.com/a TestMany/first", seconds: 2 }]);
});
