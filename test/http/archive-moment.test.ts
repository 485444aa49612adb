import { expect, it } from "vitest";
import type { Ingress, Instance } from "../../src/model/api.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { ingressOf } from "../support/sketch.ts";

interface Archived {
  readonly ingresses: readonly Ingress[];
  readonly instances: readonly Instance[];
}

function read(archive: string): Archived {
  const lines = archive
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { ingress?: Ingress; instance?: Instance; end?: object });
  expect(lines.at(-1)).toHaveProperty("end");
  return {
    ingresses: lines.flatMap(({ ingress }) => ingress ?? []),
    instances: lines.flatMap(({ instance }) => instance ?? []),
  };
}

const exported = async (api: TestApi) =>
  read((await api.call({ method: "POST", path: "/export", json: {} })).text);

it("an archive is of one moment: whatever an ingress names was there before it", async () => {
  await using api = await startApi();
  const rounds = 60;
  let made = 0;
  const making = (async () => {
    for (; made < rounds; made++) {
      const name = `vm-${made}`;
      await api.call({ method: "PUT", path: `/instances/${name}`, json: { network: { ip: "10.0.0.5" } } });
      const rules = [{ match: { hostname: `${name}.test` }, target: { instance: name, port: 80 } }];
      expect((await api.call({ method: "POST", path: "/ingresses", json: { name, rules } })).status).toBe(
        201,
      );
    }
  })();
  const sizes = new Set<number>();
  while (made < rounds) {
    const { ingresses, instances } = await exported(api);
    const names = new Set(instances.map(({ name }) => name));
    expect(ingresses.filter(({ name }) => !names.has(name))).toEqual([]);
    // One more at the most: the one that is being made.
    expect([ingresses.length, ingresses.length + 1]).toContain(instances.length);
    sizes.add(ingresses.length);
  }
  await making;
  expect(sizes.size).toBeGreaterThan(3);
});

it("who reads slowly has the moment of the call, and changes go on", async () => {
  const ingresses = Array.from({ length: 20_000 }, (_, index) => ingressOf(`n${index}`));
  await using api = await startApi({ instances: [instanceFrom({ name: "vm-1" })], ingresses });
  const answer = await fetch(`${api.url}/export`, {
    method: "POST",
    body: "{}",
    headers: { "Content-Type": "application/json" },
  });
  // The answer has begun, and most of it cannot be sent yet.
  const [first] = ingresses;
  const last = ingresses.at(-1);
  for (const { id } of [first, last] as readonly Ingress[])
    expect((await api.call({ method: "DELETE", path: `/ingresses/${id}` })).status).toBe(204);
  const rules = [{ match: { hostname: "new.test" }, target: { instance: "vm-1", port: 80 } }];
  expect((await api.call({ method: "POST", path: "/ingresses", json: { name: "new", rules } })).status).toBe(
    201,
  );
  const found = read(await answer.text());
  expect(found.ingresses.map(({ id }) => id)).toEqual(ingresses.map(({ id }) => id).sort());
});
