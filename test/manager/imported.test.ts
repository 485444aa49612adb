import { expect, it } from "vitest";
import type { CreateIngressRequest } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { instanceFrom } from "../support/instances.ts";
import { startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const id = "abcdefghijklmnopqrstuvwx";
const request = (certificate: string): CreateIngressRequest => ({
  name: "a",
  rules: [
    {
      match: { hostname: "a.test" },
      target: { instance: "web-1", port: 80 },
      tls: true,
      tls_options: { certificate },
    },
  ],
});

it("imported certificates are found, loaded, and loaded again when they are others", async () => {
  const logger = recordingLogger();
  const resolver = new InstanceRegistry({
    store: new MemoryStore([instanceFrom({ name: "web-1" })]),
    logger,
  });
  await resolver.start();
  const digests = new Map([[id, "digest-1"]]);
  await using world = await startManagerOverMemory({
    resolver,
    logger,
    certificates: {
      find: (reference) =>
        [id, "mine"].includes(reference)
          ? { id, facts: { names: ["a.test"], notAfter: new Date(0) } }
          : undefined,
      digests: () => digests,
    },
  });
  const { ingresses, tls } = world.manager;
  await expect(ingresses.create(request("other"))).rejects.toMatchObject({ code: "certificate_not_found" });
  const made = await ingresses.create(request("mine"));
  expect(made.rules[0]?.tls_options).toEqual({ certificate: id });
  const loaded = () => JSON.stringify(world.caddy.loaded);
  expect(loaded()).toContain("digest-1");
  const before = world.caddy.changes.length;
  digests.set(id, "digest-2");
  await tls.reload();
  expect(loaded()).toContain("digest-2");
  expect(world.caddy.changes.slice(before)).toEqual(["load"]);
});
