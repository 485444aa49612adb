import { expect, it } from "vitest";
import { readOptions } from "../../bench/options.ts";
import { renderTable } from "../../bench/report.ts";

it("the table has a line for each figure, by what was measured and then by size", () => {
  const figure = { row: "proxied", what: "requests", unit: "/s" } as const;
  const table = renderTable([
    { ...figure, size: 1000, value: 12_345.6, peer: { name: "peer", value: 20_000 }, ratio: 0.617 },
    { row: "list", what: "list", size: 1, value: 1.234, unit: "ms", goal: { text: "≤ 1 ms", met: false } },
    { ...figure, size: 1, value: 9, goal: { text: "≥ 1 /s", met: true } },
  ]);
  expect(table.split("\n")).toEqual([
    "| ingresses | what     |      ours |             peer | ours ÷ peer |   goal |        |",
    "|----------:|----------|----------:|-----------------:|------------:|-------:|-------:|",
    "|         1 | requests |      9 /s |                  |             | ≥ 1 /s |    met |",
    "|     1,000 | requests | 12,346 /s | 20,000 /s (peer) |        0.62 |        |        |",
    "|         1 | list     |   1.23 ms |                  |             | ≤ 1 ms | MISSED |",
  ]);
});

it("the command line says sizes, rows and length, and bad ones are refused", () => {
  expect(readOptions([])).toMatchObject({ sizes: [1, 1000, 10_000, 100_000], only: [], rounds: 5 });
  expect(readOptions(["--quick", "--only", "dns,list", "--only", "move"])).toMatchObject({
    sizes: [1, 1000],
    only: ["dns", "list", "move"],
    rounds: 3,
  });
  expect(readOptions(["--sizes", "100,1"])).toMatchObject({ sizes: [1, 100] });
  expect(() => readOptions(["--sizes", "1,many"])).toThrow('"many" is no whole number');
  expect(() => readOptions(["--rounds", "0"])).toThrow("--rounds");
  expect(() => readOptions(["--fast"])).toThrow("--fast");
});
