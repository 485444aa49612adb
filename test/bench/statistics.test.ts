import { describe, expect, it } from "vitest";
import { alternate, inTurn, median, medianOfPairs, quantile } from "../../bench/statistics.ts";

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

  it("of several things, each is first in its round", async () => {
    const order: string[] = [];
    const note = (who: string) => async (round: number) => order.push(`${who}${round}`);
    const series = await inTurn(3, [note("a"), note("b"), note("c")]);
    expect(order).toEqual(["a0", "b0", "c0", "b1", "c1", "a1", "c2", "a2", "b2"]);
    expect(series).toEqual([
      [1, 6, 8],
      [2, 4, 9],
      [3, 5, 7],
    ]);
  });

  it("compares what was measured in the same round", () => {
    const pairs = { ours: [1, 20, 3], peers: [2, 10, 3] };
    expect(medianOfPairs(pairs, (ours, peers) => ours / peers)).toBe(1);
  });
});
