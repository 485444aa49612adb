import { describe, expect, it } from "vitest";
import { alternate, median, medianOfPairs, quantile } from "../../bench/statistics.ts";

describe("median", () => {
  it.each([
    [[3], 3],
    [[4, 1], 2.5],
    [[9, 1, 5], 5],
    [[10, 2, 4, 8], 6],
  ])("of %j is %d", (values, want) => expect(median(values)).toBe(want));

  it("of nothing is not a number", () => expect(median([])).toBeNaN());
});

describe("quantile", () => {
  const values = [5, 1, 4, 2, 3];
  it.each([
    [0, 1],
    [0.5, 3],
    [0.99, 5],
    [1, 5],
  ])("%d is %d", (q, want) => expect(quantile(values, q)).toBe(want));
});

describe("alternate", () => {
  it("takes turns, and neither always goes first", async () => {
    const order: string[] = [];
    const note = (who: string) => async (round: number) => order.push(`${who}${round}`);
    await alternate(3, note("ours"), note("peers"));
    expect(order).toEqual(["ours0", "peers0", "peers1", "ours1", "ours2", "peers2"]);
  });

  it("compares what was measured in the same round", () => {
    const pairs = { ours: [1, 20, 3], peers: [2, 10, 3] };
    expect(medianOfPairs(pairs, (ours, peers) => ours / peers)).toBe(1);
  });
});
