import { afterEach, describe, expect, it } from "vitest";
import type { AddressPush } from "../../src/caddy/caddy-api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { AddressFeed } from "../../src/targets/address-feed.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { until } from "../support/until.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startWorld() {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  const pushes: AddressPush[] = [];
  const caddy = { fails: false, taken: (): unknown => undefined };
  const pushAddresses = async (push: AddressPush): Promise<void> => {
    if (caddy.fails) throw new Error("no answer");
    pushes.push(push);
    await caddy.taken();
  };
  const feed = new AddressFeed({ api: { pushAddresses }, resolver: registry, logger, retryMs: 10 });
  closers.push(
    () => registry.close(),
    () => feed.stop(),
  );
  const put = (name: string, ip: string | null, service?: string) =>
    registry.put(name, { id: `id-${name}`, network: { ip }, ...(service === undefined ? {} : { service }) });
  return { registry, feed, pushes, caddy, put };
}

describe("the feed of addresses", () => {
  it("D14: tells everything at its start and when Caddy is a new one, by name, id and service", async () => {
    const { feed, pushes, put } = await startWorld();
    await put("web-1", "10.0.0.1", "web");
    await put("web-2", "10.0.0.2", "web");
    await put("off", null);
    feed.start();
    await feed.delivered();
    const all: AddressPush = {
      reset: true,
      flush: true,
      known: {
        "web-1": ["10.0.0.1"],
        "id-web-1": ["10.0.0.1"],
        "web-2": ["10.0.0.2"],
        "id-web-2": ["10.0.0.2"],
        "web.svc": ["10.0.0.1", "10.0.0.2"],
      },
    };
    expect(pushes.splice(0)).toEqual([all]);
    feed.flush();
    await feed.delivered();
    expect(pushes).toEqual([all]);
  });

  it("tells what changed, and that an instance is gone", async () => {
    const { feed, pushes, put, registry } = await startWorld();
    feed.start();
    await feed.delivered();
    await put("vm", "10.0.0.1");
    await feed.delivered();
    await put("vm", null);
    await feed.delivered();
    await registry.delete("vm");
    await feed.delivered();
    const names = pushes.slice(1).map((push) => push.names?.["vm"]);
    expect(names).toEqual([{ addresses: ["10.0.0.1"] }, { addresses: [] }, { addresses: [], unknown: true }]);
  });

  it("tells everything again when a part of it fails, and what changed meanwhile once more", async () => {
    const { caddy, feed, pushes, put } = await startWorld();
    for (let at = 0; at < 2_500; at += 1) void put(`vm-${at}`, "10.0.0.1");
    await put("last", "10.0.0.2");
    caddy.taken = () => {
      caddy.taken = () => undefined;
      caddy.fails = true;
      return put("vm-0", "10.0.0.9");
    };
    feed.start();
    await expect(feed.delivered()).rejects.toThrow("no answer");
    expect(pushes.splice(0)).toHaveLength(1);
    caddy.fails = false;
    await until(() => pushes.length >= 2);
    expect(pushes.map(({ reset, known = {} }) => [reset, Object.keys(known).length])).toEqual([
      [true, 4_000],
      [undefined, 1_002],
    ]);
    expect({ ...pushes[0]?.known, ...pushes[1]?.known }["vm-0"]).toEqual(["10.0.0.9"]);
  });
});
