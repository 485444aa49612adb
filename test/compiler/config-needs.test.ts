import { describe, expect, it } from "vitest";
import { ConfigNeeds, type NeedsView, unite } from "../../src/compiler/config-needs.ts";
import { compileRows } from "../../src/compiler/rows.ts";
import type { Ingress, IngressRule } from "../../src/model/api.ts";
import { compilerSettings } from "../support/compiler-settings.ts";

const settings = compilerSettings();

const rowsOf = (id: string, port: number, more: Partial<IngressRule> = {}) => {
  const ingress: Ingress = {
    id,
    name: id,
    rules: [
      {
        match: { hostname: `${id}.test`, port },
        target: { instance: "web-1", port: 80 },
        tls: false,
        redirect_http: false,
        ...more,
      },
    ],
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
  };
  return compileRows(ingress, settings);
};

const limited = (requests: number): Partial<IngressRule> => ({
  policies: { rate_limit: { requests_per_second: requests } },
});

const needsOf = (...rows: readonly ReturnType<typeof rowsOf>[]): ConfigNeeds => {
  const needs = new ConfigNeeds();
  for (const row of rows.flat()) needs.add(row);
  return needs;
};

const portsOf = (view: NeedsView): number[] => view.ports().map(({ port }) => port);
const keysOf = (view: NeedsView): string[] => view.policySets().map(([key]) => key);

describe("needs of the configuration", () => {
  it("have a policy set while a row has it, and tell when it comes and goes", () => {
    const [one, two] = [rowsOf("a", 80, limited(1)), rowsOf("b", 80, limited(1))];
    // A row without policies has a set, too.
    const needs = needsOf(rowsOf("z", 80));
    const empty = needs.generation;
    for (const row of one) needs.add(row);
    expect([keysOf(needs).length, needs.generation]).toEqual([2, empty + 1]);
    for (const row of two) needs.add(row);
    for (const row of one) needs.remove(row);
    expect([keysOf(needs).length, needs.generation]).toEqual([2, empty + 1]);
    for (const row of two) needs.remove(row);
    expect([keysOf(needs).length, needs.generation]).toEqual([1, empty + 2]);
  });

  it("are in one order, whichever came first, also those of two together", () => {
    const rows = [3, 1, 2].map((number) => rowsOf(`r${number}`, 8_000 + number, limited(number)));
    const needs = needsOf(...rows);
    expect(portsOf(needs)).toEqual([8_001, 8_002, 8_003]);
    expect(keysOf(needs)).toEqual(keysOf(needs).toSorted());
    const [first = [], second = [], third = []] = rows;
    for (const [left, right] of [
      [needsOf(first), needsOf(second, third)],
      [needsOf(third, second), needsOf(first, second)],
    ] as const) {
      const both = unite(left, right);
      expect(portsOf(both)).toEqual(portsOf(needs));
      expect(keysOf(both)).toEqual(keysOf(needs));
    }
  });

  it("of certificates are in one order, and counted", () => {
    const named = (...ids: readonly string[]) => {
      const needs = new ConfigNeeds();
      const [row] = rowsOf("a", 80);
      if (row === undefined) throw new Error("a rule has a row");
      for (const id of ids) needs.add({ ...row, tlsNeeds: [{ kind: "certificate", id }] });
      return needs;
    };
    const idsOf = (view: NeedsView) => view.tlsNeeds().map((need) => "id" in need && need.id);
    expect(idsOf(named("b", "a", "c"))).toEqual(["a", "b", "c"]);
    expect(idsOf(unite(named("c", "a"), named("b", "a")))).toEqual(["a", "b", "c"]);
    const needs = named("a", "b", "a");
    expect(needs.usesOf({ kind: "certificate", id: "a" })).toBe(2);
    expect(needs.usesOf({ kind: "certificate", id: "b" })).toBe(1);
    expect(needs.usesOf({ kind: "certificate", id: "c" })).toBe(0);
  });
});
