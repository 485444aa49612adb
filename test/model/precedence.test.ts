import { describe, expect, it } from "vitest";
import { comparePrecedence, type Specificity } from "../support/precedence.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** From the first to the last. */
const ordered: readonly Specificity[] = [
  { shape: "a.b.test" },
  { shape: "a.b.*.test", headers: { A: "1" } },
  { shape: "a.*.c.test" },
  { shape: "*.b.c.test" },
  { shape: "a.*.*.test", path: { type: "exact", value: "/a/b" } },
  { shape: "a.*.*.test", path: { type: "exact", value: "/a" } },
  { shape: "a.*.*.test", path: { type: "prefix", value: "/a/b" } },
  {
    shape: "a.*.*.test",
    path: { type: "prefix", value: "/a" },
    methods: ["GET"],
    headers: { A: "1", B: "2" },
  },
  { shape: "a.*.*.test", path: { type: "prefix", value: "/a" }, methods: ["GET"], headers: { A: "1" } },
  { shape: "a.*.*.test", path: { type: "prefix", value: "/a" }, methods: ["GET"] },
  { shape: "a.*.*.test", path: { type: "prefix", value: "/a" }, headers: { A: "1", B: "2" } },
  { shape: "a.*.*.test", path: { type: "prefix", value: "/a" } },
  { shape: "a.*.*.test", methods: ["POST"] },
  { shape: "a.*.*.test" },
  { shape: "a.*.*.test", redirect: true },
  { shape: "*.*.c.test" },
  { shape: "*.*.*.test" },
  { shape: "*", path: { type: "exact", value: "/health" } },
  { shape: "*" },
];

describe("comparePrecedence", () => {
  it("orders every pair as the list does", () => {
    for (const [left, one] of ordered.entries()) {
      for (const [right, other] of ordered.entries()) {
        expect(Math.sign(comparePrecedence(one, other)), `${left} and ${right}`).toBe(
          Math.sign(left - right),
        );
      }
    }
  });

  it.each<[string, Specificity, Specificity]>([
    [
      "no path and the prefix /",
      { shape: "a.test" },
      { shape: "a.test", path: { type: "prefix", value: "/" } },
    ],
    ["method lists", { shape: "a.test", methods: ["GET"] }, { shape: "a.test", methods: ["POST", "PUT"] }],
    ["as many headers", { shape: "a.test", headers: { A: "1" } }, { shape: "a.test", headers: { B: "2" } }],
  ])("ties: %s", (_, left, right) => {
    expect(comparePrecedence(left, right)).toBe(0);
    expect(comparePrecedence(right, left)).toBe(0);
  });

  it("is one order, however the list comes", () => {
    const random = seededRandom(5);
    for (let round = 0; round < 200; round += 1) {
      const shuffled = [...ordered].sort(() => random() - 0.5);
      expect(shuffled.sort(comparePrecedence)).toEqual(ordered);
    }
  });
});
