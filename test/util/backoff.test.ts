import { expect, it } from "vitest";
import { backoffMs } from "../../src/util/backoff.ts";

it.each([
  [500, 30_000, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]],
  [30_000, 30_000, [30_000, 30_000]],
  [60_000, 30_000, [60_000, 60_000]],
])("begins with %i ms, doubles and ends at %i ms or the first", (firstMs, longestMs, waits) => {
  expect(waits.map((_, failures) => backoffMs(firstMs, failures, longestMs))).toEqual(waits);
  expect(backoffMs(firstMs, 10_000, longestMs)).toBe(waits.at(-1));
});
