import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { startDnsServer } from "../../src/dns/server.ts";
import type { CreateIngressRequest } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { encodeAsk, exchangeUdp, see } from "../support/dns-client.ts";
import { instanceFrom } from "../support/instances.ts";
import { startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";

/** As many as a document may have. */
const RULES = 5_000;

const long: CreateIngressRequest = {
  name: "long",
  rules: Array.from({ length: RULES }, (_, index) => ({
    match: { hostname: `h${index}.example.com`, methods: ["GET"] },
    target: { instance: "web-1", port: 80 },
  })),
};

it("C2: while a document of 5,000 rules is looked at, DNS questions are answered and timers run", async () => {
  const logger = recordingLogger();
  const store = new MemoryStore([instanceFrom({ name: "web-1", ip: "10.0.0.5" })]);
  const resolver = new InstanceRegistry({ store, logger });
  await resolver.start();
  await using world = await startManagerOverMemory({ resolver, logger });
  const dns = await startDnsServer({ address: "127.0.0.1", port: 0, resolver, logger });
  const events: string[] = [];
  let turns = 0;
  const created = world.manager.ingresses.create(long).then(() => void events.push("created"));
  const answered = exchangeUdp(dns.port, encodeAsk({ name: "web-1.hypeman.internal" })).then((answer) => {
    events.push(answer === undefined ? "lost" : String(see(answer).answers));
  });
  while (!events.includes("created")) {
    await setImmediate();
    turns += 1;
  }
  await Promise.all([created, answered]);
  expect(events).toEqual(["web-1.hypeman.internal 5 1 1 10.0.0.5", "created"]);
  // Each of three passes over the rules lets others have their turn after every hundred.
  expect(turns).toBeGreaterThan((3 * RULES) / 100 - 10);
  await dns.close();
});

it("C2: targets that fail while others are still to be looked at are one refusal", async () => {
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({ store: new MemoryStore(), logger });
  await resolver.start();
  await using world = await startManagerOverMemory({
    logger,
    resolver: {
      start: () => Promise.resolve(),
      resolve: (name) => resolver.resolve(name),
      reference: () => Promise.resolve({ kind: "unavailable", reason: "the source is down" }),
      list: () => [],
      states: () => new Map(),
      watch: () => () => undefined,
      close: () => Promise.resolve(),
    },
  });
  await expect(world.manager.ingresses.create(long)).rejects.toMatchObject({ code: "source_unavailable" });
});
