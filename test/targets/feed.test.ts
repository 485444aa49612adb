import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { AddressPush } from "../../src/caddy/caddy-api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { AddressFeed } from "../../src/targets/address-feed.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";

beforeEach(() => void vi.useFakeTimers({ now: 0, toFake: ["setTimeout", "clearTimeout", "Date"] }));
afterEach(() => void vi.useRealTimers());

/** A feed before a Caddy that takes nothing, unless `takes`; `triedAt` has the times of all pushes. */
async function startWorld() {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  const caddy = {
    takes: false,
    triedAt: [] as number[],
    pushes: [] as AddressPush[],
    taken: Promise.resolve(),
  };
  const pushAddresses = async (push: AddressPush): Promise<void> => {
    caddy.triedAt.push(Date.now());
    caddy.pushes.push(push);
    await caddy.taken;
    if (!caddy.takes) throw new Error("no answer");
  };
  const feed = new AddressFeed({ api: { pushAddresses }, resolver: registry, logger });
  feed.start();
  await vi.advanceTimersByTimeAsync(0);
  const warnings = (): number =>
    logger.entries.filter(
      ({ level, message }) =>
        level === "warn" && message === "an address change did not reach caddy; trying again",
    ).length;
  const put = (name: string) => registry.put(name, { network: { ip: "10.0.0.1" } });
  return { caddy, feed, put, registry, warnings };
}

it("tries again after 100 ms, twice as long each time up to 30 s, and warns once", async () => {
  const { caddy, feed, warnings } = await startWorld();
  await vi.advanceTimersByTimeAsync(200_000);
  const waits = caddy.triedAt.map((at, index) => at - (caddy.triedAt[index - 1] ?? 0));
  expect(waits.slice(0, 12)).toEqual([
    0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
  ]);
  expect(warnings()).toBe(1);
  // After a success the waits are short again.
  caddy.takes = true;
  await vi.advanceTimersByTimeAsync(30_000);
  caddy.takes = false;
  caddy.triedAt.length = 0;
  const began = Date.now();
  feed.flush();
  await vi.advanceTimersByTimeAsync(350);
  expect(caddy.triedAt.map((at) => at - began)).toEqual([0, 100, 300]);
  expect(warnings()).toBe(2);
});

it("waits with what changes meanwhile, and tells it with what failed", async () => {
  const { caddy, put } = await startWorld();
  caddy.takes = true;
  await put("vm-1");
  await vi.advanceTimersByTimeAsync(99);
  expect(caddy.triedAt).toEqual([0]);
  await vi.advanceTimersByTimeAsync(1);
  expect(caddy.pushes.at(-1)).toMatchObject({ reset: true, known: { "vm-1": ["10.0.0.1"] } });
  caddy.takes = false;
  await put("vm-2");
  await put("vm-3");
  caddy.takes = true;
  await vi.advanceTimersByTimeAsync(100);
  expect(Object.keys(caddy.pushes.at(-1)?.names ?? {}).filter((name) => name.startsWith("vm"))).toEqual([
    "vm-2",
    "vm-3",
  ]);
});

it("does nothing more once it is stopped, neither what waits nor what changes", async () => {
  const { caddy, feed, put } = await startWorld();
  feed.stop();
  await put("vm-1");
  feed.flush();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(caddy.triedAt).toEqual([0]);
});

it("sends nothing more when it is stopped during a push, and says of what was to come that it did not arrive", async () => {
  const { caddy, feed, put } = await startWorld();
  caddy.takes = true;
  const taken = Promise.withResolvers<void>();
  caddy.taken = taken.promise;
  await vi.advanceTimersByTimeAsync(100);
  await put("vm-1");
  const delivered = feed.delivered();
  feed.stop();
  taken.resolve();
  await expect(delivered).rejects.toThrow("no answer");
  expect(caddy.pushes).toHaveLength(2);
});

it("does not try again what fails while it is stopped", async () => {
  const { caddy, feed } = await startWorld();
  await vi.advanceTimersByTimeAsync(99);
  const tried = caddy.triedAt.length;
  vi.advanceTimersByTime(1);
  feed.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(caddy.triedAt).toHaveLength(tried + 1);
});
