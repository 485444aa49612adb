import { expect, test } from "vitest";
import { outcomesOfGremlins, outcomesOfStryker, report } from "../../scripts/mutation/report.ts";

const at = (line: number, start: number, end: number) => ({
  start: { line, column: start },
  end: { line, column: end },
});

test("reads what became of Stryker's changes, and leaves out those that say nothing", () => {
  const mutants = [
    { mutatorName: "m", status: "Killed", replacement: "false", location: at(1, 5, 9) },
    { mutatorName: "m", status: "Timeout", replacement: "true", location: at(1, 5, 9) },
    { mutatorName: "m", status: "Survived", replacement: "x - 1", location: at(2, 8, 13) },
    { mutatorName: "m", status: "NoCoverage", replacement: "{}", location: at(2, 1, 3) },
    { mutatorName: "m", status: "Ignored", replacement: "0", location: at(2, 1, 3) },
    { mutatorName: "m", status: "CompileError", replacement: "0", location: at(2, 1, 3) },
  ];
  const text = JSON.stringify({ files: { "src/a.ts": { source: "if (good) {\nreturn x + 1;", mutants } } });
  const outcomes = outcomesOfStryker(text);
  expect(outcomes.map(({ fate }) => fate)).toEqual(["killed", "timeout", "survived", "uncovered"]);
  expect(outcomes[2]).toEqual({ place: "src/a.ts:2", change: "x + 1 → x - 1", fate: "survived" });
});

test("leaves out what an earlier run found outside of the sample", () => {
  const location = (first: number, last: number) => ({
    start: { line: first, column: 1 },
    end: { line: last, column: 2 },
  });
  const mutants = [location(8, 8), location(9, 9), location(9, 17), location(16, 16), location(17, 17)].map(
    (one) => ({
      mutatorName: "m",
      status: "Killed",
      location: one,
    }),
  );
  const file = { source: "", mutants };
  const text = JSON.stringify({ files: { "src/a.ts": file, "src/b.ts": file } });
  expect(outcomesOfStryker(text, ["src/a.ts:9-16"]).map(({ place }) => place)).toEqual([
    "src/a.ts:9",
    "src/a.ts:16",
  ]);
  expect(outcomesOfStryker(text)).toHaveLength(10);
});

test("reads gremlins' report", () => {
  const mutations = [
    { type: "CONDITIONALS_NEGATION", status: "KILLED", line: 3 },
    { type: "ARITHMETIC_BASE", status: "LIVED", line: 4 },
    { type: "ARITHMETIC_BASE", status: "NOT COVERED", line: 5 },
    { type: "ARITHMETIC_BASE", status: "TIMED OUT", line: 6 },
    { type: "ARITHMETIC_BASE", status: "NOT VIABLE", line: 7 },
  ];
  const outcomes = outcomesOfGremlins(
    JSON.stringify({ files: [{ file_name: "a.go", mutations }] }),
    "caddy/table",
  );
  expect(outcomes.map(({ place, fate }) => `${place} ${fate}`)).toEqual([
    "caddy/table/a.go:3 killed",
    "caddy/table/a.go:4 survived",
    "caddy/table/a.go:5 uncovered",
    "caddy/table/a.go:6 timeout",
  ]);
});

test("names the survivors, then the row of the table", () => {
  const outcomes = [
    { place: "src/a.ts:1", change: "a → b", fate: "killed" },
    { place: "src/a.ts:2", change: "c → d", fate: "survived" },
    { place: "src/a.ts:3", change: "e → f", fate: "uncovered" },
  ] as const;
  expect(report("a", outcomes)).toBe(
    "survived  src/a.ts:2  c → d\nuncovered src/a.ts:3  e → f\n| a | 3 | 1 | 0 | 1 | 1 | 33.3 % |",
  );
});
