import { expect, it } from "vitest";
import { allScopes, permits, type Scope } from "../../src/model/rights.ts";

it.each<[what: string, permissions: unknown, those: readonly Scope[]]>([
  ["none named", undefined, allScopes],
  ["*", ["*"], allScopes],
  ["* beside others", ["ingress:read", "*"], allScopes],
  ["one", ["ingress:read"], ["ingress:read"]],
  ["two", ["ingress:read", "admin:write"], ["ingress:read", "admin:write"]],
  ["an empty list", [], []],
  ["unknown ones", ["ingress", "ingress:*", ""], []],
  ["a text with all", "* ingress:read", []],
  ["null", null, []],
  ["an object", { "*": true }, []],
])("rights of %s", (_what, permissions, those) => {
  expect(allScopes.filter((scope) => permits({ permissions }, scope)).sort()).toEqual([...those].sort());
});

it("knows each scope once", () => {
  expect(new Set(allScopes).size).toBe(allScopes.length);
  expect(allScopes).not.toContain("*");
});
