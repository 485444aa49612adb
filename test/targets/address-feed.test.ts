import { afterEach, describe, expect, it } from "vitest";
import type { AddressPush } from "../../src/caddy/caddy-api.ts";
import type { ResolverChange } from "../../src/resolver/instance-resolver.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { AddressFeed } from "../../src/targets/address-feed.ts";
import { instanceFrom } from "../support/instances.ts";
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

/** A feed that has told everything, of a source that says of any name but `lost` where it is, and of changes as told. */
async function startView() {
  let change: (change: ResolverChange) => void = () => undefined;
  const pushes: AddressPush[] = [];
  const feed = new AddressFeed({
    api: { pushAddresses: async (push) => void pushes.push(push) },
    resolver: {
      list: () => [instanceFrom({ name: "VM-1", id: "ID-1" }), instanceFrom({ name: "lost", id: "lost" })],
      resolve: (name) =>
        name === "lost"
          ? { kind: "unavailable", reason: "the source is down" }
          : { kind: "addresses", addresses: ["10.0.0.1"] },
      watch: (listener) => {
        change = listener;
        return () => undefined;
      },
    },
    logger: recordingLogger(),
  });
  closers.push(() => feed.stop());
  feed.start();
  await feed.delivered();
  pushes.length = 0;
  return { change: (what: ResolverChange) => change(what), feed, pushes };
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

  it.each([
    [1_999, [2_000]],
    [2_000, [2_000, 1]],
  ])("tells 2,000 instances at once, %i with one more in %j", async (many, parts) => {
    const { feed, pushes, put } = await startWorld();
    await Promise.all(Array.from({ length: many }, (_, at) => put(`vm-${at}`, "10.0.0.1")));
    await put("last", "10.0.0.2");
    feed.start();
    await feed.delivered();
    expect(pushes.map(({ known = {} }) => Object.keys(known).length / 2)).toEqual(parts);
  });

  it.each([
    [2_000, { names: 2_000, reset: undefined }],
    [2_001, { names: 0, reset: true }],
  ])("tells each of %i changed names, or everything when they are more", async (many, expected) => {
    const { change, feed, pushes } = await startView();
    change({ names: Array.from({ length: many }, (_, at) => `vm-${at}`) });
    await feed.delivered();
    const [push] = pushes;
    expect({ names: Object.keys(push?.names ?? {}).length, reset: push?.reset }).toEqual(expected);
    change({ names: ["vm-1"] });
    await feed.delivered();
    expect(pushes.slice(1)).toEqual([{ names: { "vm-1": { addresses: ["10.0.0.1"] } } }]);
  });

  it("has Caddy ask again for names of which nothing can be said, and for everything when all may have changed", async () => {
    const { change, feed, pushes } = await startView();
    change({ names: ["lost", "vm"] });
    await feed.delivered();
    expect(pushes.splice(0)).toEqual([{ flush: true, names: { vm: { addresses: ["10.0.0.1"] } } }]);
    change({ all: true });
    await feed.delivered();
    // In lower case, as Caddy asks.
    expect(pushes).toEqual([
      { reset: true, flush: true, known: { "vm-1": ["10.0.0.1"], "id-1": ["10.0.0.1"] } },
    ]);
  });

  it("starts over when everything changes while it is told", async () => {
    const { caddy, feed, pushes, put } = await startWorld();
    await Promise.all(Array.from({ length: 2_500 }, (_, at) => put(`vm-${at}`, "10.0.0.1")));
    caddy.taken = () => {
      caddy.taken = () => undefined;
      feed.flush();
    };
    feed.start();
    await feed.delivered();
    expect(pushes.slice(0, 3).map(({ reset }) => reset)).toEqual([true, true, undefined]);
  });
});
