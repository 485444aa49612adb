import { describe, expect, it } from "vitest";
import { compactHeap } from "../../src/wiring/compact-heap.ts";

describe("compactHeap", () => {
  it("gives back what is garbage", () => {
    let garbage: string[][] | undefined = Array.from({ length: 1_000 }, (_, row) =>
      Array.from({ length: 1_000 }, (__, at) => `${row} ${at}`),
    );
    expect(garbage.length).toBe(1_000);
    const before = process.memoryUsage().heapTotal;
    garbage = undefined;
    compactHeap();
    // A million strings of 24 bytes or more, and their arrays.
    expect(process.memoryUsage().heapTotal).toBeLessThan(before - 24_000_000);
  });
});
