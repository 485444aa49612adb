import { describe, expect, it } from "vitest";
import { compactHeap } from "../../src/wiring/compact-heap.ts";

describe("compactHeap", () => {
  it("gives back what is garbage", () => {
    compactHeap();
    const empty = process.memoryUsage().heapTotal;
    let garbage: string[][] | undefined = Array.from({ length: 1_000 }, (_, row) =>
      Array.from({ length: 1_000 }, (__, at) => `${row} ${at}`),
    );
    expect(garbage.length).toBe(1_000);
    const full = process.memoryUsage().heapTotal;
    garbage = undefined;
    compactHeap();
    expect((process.memoryUsage().heapTotal - empty) / (full - empty)).toBeLessThan(0.25);
  });
});
