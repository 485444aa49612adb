import { expect, it } from "vitest";
import { groupChanges } from "../../src/manager/group-changes.ts";
import type { Ingress } from "../../src/model/api.ts";

const ingress = (id: string): Ingress => ({ id, name: id, rules: [], created_at: "", updated_at: "" });

/** Groups as `going>coming`, ids in order; `holders` says who holds what an ingress wants. */
function groups(gone: string, coming: string, holders: { readonly [id: string]: string }): readonly string[] {
  const text = (ids: readonly string[]): string => [...ids].sort().join("");
  return groupChanges([...gone], [...coming].map(ingress), ({ id }) => [...(holders[id] ?? "")])
    .map((group) => `${text(group.going)}>${text(group.coming.map(({ id }) => id))}`)
    .sort();
}

it.each<[string, string, string, { readonly [id: string]: string }, readonly string[]]>([
  ["nothing", "", "", {}, []],
  ["changes that nobody waits for", "ab", "cd", {}, [">c", ">d", "a>", "b>"]],
  ["two that swap", "", "abc", { a: "b", b: "a" }, [">ab", ">c"]],
  ["a ring", "", "abcd", { a: "b", b: "c", c: "a" }, [">abc", ">d"]],
  ["one that takes the place of one that goes", "ab", "c", { c: "a" }, ["a>c", "b>"]],
  ["one that takes the place of one that stays", "", "c", { c: "x" }, ["x>c"]],
  ["one that holds what it wants itself", "", "c", { c: "c" }, [">c"]],
  ["one that takes the places of several", "ab", "cd", { c: "abd" }, ["ab>cd"]],
  ["several that take the place of one", "a", "cd", { c: "a", d: "a" }, ["a>cd"]],
  ["groups that are joined late", "ab", "cdef", { c: "a", d: "b", e: "cd" }, [">f", "ab>cde"]],
  ["long chains from either end", "", "abcdef", { b: "a", c: "b", d: "c", e: "f", f: "a" }, [">abcdef"]],
])("puts together %s", (_, gone, coming, holders, expected) => {
  expect(groups(gone, coming, holders)).toEqual(expected);
});
