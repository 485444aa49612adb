import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { startDnsServer } from "../../src/dns/server.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { encodeAsk, exchangeUdp, see } from "../support/dns-client.ts";
import { instanceFrom } from "../support/instances.ts";
import { startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const SIZE = 5_000;

/** A set whose ingresses lead to a port. */
function setTo(port: number) {
  return {
    ingresses: Array.from({ length: SIZE }, (_, index) => ({
      request: {
        name: `n${index}`,
        rules: [{ match: { hostname: `h${index}.example.com` }, target: { instance: "web-1", port } }],
      },
    })),
  };
}

it("a set of thousands is applied and planned in pieces, between which DNS questions are answered", async () => {
  const logger = recordingLogger();
  const instances = new MemoryStore([instanceFrom({ name: "web-1", ip: "10.0.0.5" })]);
  const resolver = new InstanceRegistry({ store: instances, logger });
  await resolver.start();
  await using world = await startManagerOverMemory({ resolver, logger });
  const dns = await startDnsServer({ address: "127.0.0.1", port: 0, resolver, logger });
  const { ingresses } = world.manager;
  const works = [
    () => ingresses.apply(setTo(80)),
    () => ingresses.plan({ kind: "set", set: setTo(81) }),
    () => ingresses.apply(setTo(81)),
  ];
  for (const work of works) {
    const events: string[] = [];
    let turns = 0;
    const done = work().then(() => void events.push("done"));
    const answered = exchangeUdp(dns.port, encodeAsk({ name: "web-1.hypeman.internal" })).then((answer) =>
      events.push(answer === undefined ? "lost" : String(see(answer).answers)),
    );
    while (!events.includes("done")) {
      await setImmediate();
      turns += 1;
    }
    await Promise.all([done, answered]);
    expect(events).toEqual(["web-1.hypeman.internal 5 1 1 10.0.0.5", "done"]);
    // Each of three passes over the set leaves others their turn after every hundred.
    expect(turns).toBeGreaterThan((3 * SIZE) / 100 - 10);
  }
  await dns.close();
});

it("a revision of thousands is rolled back in pieces", async () => {
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({
    store: new MemoryStore([instanceFrom({ name: "web-1", ip: "10.0.0.5" })]),
    logger,
  });
  await resolver.start();
  await using world = await startManagerOverMemory({ resolver, logger });
  const { ingresses } = world.manager;
  const { revision } = await ingresses.apply(setTo(80));
  await ingresses.apply(setTo(81));
  let turns = 0;
  let isDone = false;
  const done = ingresses.rollbackTo(revision).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await setImmediate();
    turns += 1;
  }
  expect((await done).ingresses).toHaveLength(SIZE);
  // After every hundred that are read, and every hundred that are wanted.
  expect(turns).toBeGreaterThan((2 * SIZE) / 100 - 10);
});
