import { expect, it } from "vitest";
import { Sampler } from "../../src/util/sampler.ts";

it("lets the first of each key through in each span, and says how many were left out", () => {
  let nowMs = 0;
  const sampler = new Sampler({ mostOfKey: 2, most: 5, spanMs: 100, keys: 2, nowMs: () => nowMs });
  const take = (...keys: string[]) => keys.map((key) => sampler.take(key));
  expect(take("a", "a", "a", "a", "b")).toEqual([0, 0, undefined, undefined, 2]);
  // The third key and all that follow count as one.
  expect(take("c", "d", "e")).toEqual([0, 0, undefined]);
  expect(take("b")).toEqual([undefined]);
  nowMs = 99;
  expect(take("a")).toEqual([undefined]);
  nowMs = 100;
  expect(take("a", "a", "a")).toEqual([3, 0, undefined]);
});
