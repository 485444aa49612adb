import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RestoreTimer } from "../../src/manager/restore-timer.ts";

let restores: number[];
let timer: RestoreTimer;

beforeEach(() => {
  vi.useFakeTimers();
  restores = [];
  const start = performance.now();
  timer = new RestoreTimer(() => restores.push(performance.now() - start));
});
afterEach(() => {
  timer.stop();
  vi.useRealTimers();
});

it("restores once for several calls, 100 ms after the first", () => {
  timer.soon();
  vi.advanceTimersByTime(60);
  timer.soon();
  vi.advanceTimersByTime(10_000);
  expect(restores).toEqual([100]);
});

it("waits twice as long after each failure, 30 s at the most, and begins again after a success", () => {
  const waits: number[] = [];
  for (let failure = 0; failure < 9; failure += 1) {
    const before = performance.now();
    timer.afterFailure();
    vi.advanceTimersToNextTimer();
    waits.push(performance.now() - before);
  }
  expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  timer.succeeded();
  const before = performance.now();
  timer.afterFailure();
  vi.advanceTimersToNextTimer();
  expect(performance.now() - before).toBe(500);
});

it("restores at once where asked, though a later attempt is due; that one is no more", () => {
  timer.afterFailure();
  vi.advanceTimersByTime(10);
  timer.now();
  vi.advanceTimersByTime(0);
  expect(restores).toEqual([10]);
  vi.advanceTimersByTime(60_000);
  expect(restores).toHaveLength(1);
});

it("does nothing once it is stopped", () => {
  timer.soon();
  timer.stop();
  timer.now();
  vi.advanceTimersByTime(60_000);
  expect(restores).toEqual([]);
});
