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

/** Stands for a string, and counts how often it is looked at. */
class CountedKey {
  static looks = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  [Symbol.toPrimitive](): string {
    CountedKey.looks++;
    return this.#text;
  }

  startsWith(prefix: string): boolean {
    CountedKey.looks++;
    return this.#text.startsWith(prefix);
  }
}

const counted = (at: number): string => new CountedKey(String(at).padStart(6, "0")) as unknown as string;

it("looks at a few keys of many for a prefix or a single change", () => {
  const sorted = new SortedKeys();
  sorted.update(none, new Set(Array.from({ length: 2 ** 14 }, (_, at) => counted(2 * at))));
  CountedKey.looks = 0;
  for (let at = 0; at < 100; at++) {
    const added = counted(2 * at + 1);
    expect(sorted.startingWith(String(20 * at).padStart(6, "0"), 2)).toHaveLength(1);
    sorted.update(none, set(added));
    sorted.update(set(added), none);
  }
  // Halved fourteen times, and up to two keys looked at in each comparison.
  expect(CountedKey.looks / 300).toBeLessThan(2 * 15 + 2);
});
