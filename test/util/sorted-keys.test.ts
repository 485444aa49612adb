import { expect, it } from "vitest";
import { SortedKeys } from "../../src/util/sorted-keys.ts";

const none: ReadonlySet<string> = new Set();
const set = (...keys: readonly string[]): ReadonlySet<string> => new Set(keys);

it("hands out keys that stay as they were, and one array to all who read at one moment", () => {
  const sorted = new SortedKeys();
  sorted.update(none, set("b", "d"));
  const before = sorted.values();
  expect(sorted.values()).toBe(before);
  sorted.update(set("b"), set("a", "c"));
  const after = sorted.values();
  sorted.update(none, set("e"));
  sorted.update(none, set("f"));
  expect([before, after, sorted.values()]).toEqual([
    ["b", "d"],
    ["a", "c", "d"],
    ["a", "c", "d", "e", "f"],
  ]);
});
