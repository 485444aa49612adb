import { describe, expect, it } from "vitest";
import type { Row } from "../../src/compiler/row.ts";
import { GatewrightError } from "../../src/errors.ts";
import type { WantedSet } from "../../src/manager/ingress-manager.ts";
import type { CreateIngressRequest, Ingress, Plan } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { type ManagerOverMemory, startManagerOverMemory } from "../support/manager-over-memory.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";

const world = use(async () => {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  for (const name of ["vm-1", "vm-2"]) await registry.put(name, { network: { ip: "10.0.0.1" } });
  return startManagerOverMemory({ resolver: registry, logger });
});

/** What Caddy runs and what is stored. */
interface Present {
  readonly rows: ReadonlyMap<string, string>;
  readonly sets: readonly string[];
  readonly ports: string;
  readonly stored: ReadonlyMap<string, string>;
  readonly revision: number;
}

function presentOf({ caddy, manager }: ManagerOverMemory): Present {
  const asText = (row: Row) => [row.id, JSON.stringify(row)] as const;
  return {
    rows: new Map(caddy.rows.map(asText)),
    sets: Object.keys(caddy.policySets).sort(),
    ports: servedPorts(caddy),
    stored: new Map([...manager.ingresses.list()].map((one) => [one.id, JSON.stringify(one)])),
    revision: manager.ingresses.revision,
  };
}

function servedPorts(caddy: ManagerOverMemory["caddy"]): string {
  const listens = Object.values(caddy.loaded?.apps.http?.servers ?? {}).flatMap(({ listen }) => listen ?? []);
  return listens
    .map((listen) => Number(listen.split(":").at(-1)))
    .sort((one, other) => one - other)
    .join();
}

/** What no rule needs any more is taken out of Caddy's configuration a moment later. */
function isTidy(): boolean {
  const ports = [...world.manager.ingresses.list()].flatMap(({ rules }) =>
    rules.map(({ match }) => match.port),
  );
  const wanted = [...new Set(ports)].sort((one, other) => one - other).join();
  return servedPorts(world.caddy) === wanted;
}

function* keysOf(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>) {
  for (const [key, text] of one) if (other.get(key) !== text) yield [key, other.has(key)] as const;
}

/** What became of entries. */
function changesOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  const gone = [...keysOf(before, after)];
  return {
    added: [...keysOf(after, before)].filter(([, known]) => !known).length,
    changed: gone.filter(([, known]) => known).length,
    removed: gone.filter(([, known]) => !known).length,
  };
}

/** Random documents that often want what others have. */
function randomSet(random: () => number, present: readonly Ingress[]): WantedSet {
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
  const document = (name: string): CreateIngressRequest => ({
    name,
    ...(random() < 0.3 ? { tags: { team: pick(["a", "b"]) } } : {}),
    rules: Array.from({ length: pick([1, 1, 2]) }, (_, index) => ({
      match: {
        hostname: `${pick(["a", "b", "c", "d", "e"])}.test`,
        ...(index === 1 ? { path: { type: "prefix" as const, value: pick(["/x", "/y"]) } } : {}),
        ...(random() < 0.15 ? { port: pick([9101, 9102]) } : {}),
      },
      target: { instance: pick(["vm-1", "vm-2"]), port: pick([80, 81]) },
      ...(random() < 0.3 ? { policies: { max_request_body: pick(["1MB", "2MB"]) } } : {}),
    })),
  });
  const names = ["one", "two", "three", "four"].filter(() => random() < 0.6);
  const ingresses = names.map((name) => {
    const known = present.find((one) => one.name === pick(names));
    const id = random() < 0.2 && known !== undefined ? { id: known.id } : {};
    return { ...id, request: document(name) };
  });
  return { ingresses, ...(random() < 0.6 ? { goes: () => true } : {}) };
}

async function applied(set: WantedSet): Promise<"applied" | GatewrightError> {
  try {
    await world.manager.ingresses.apply(set);
    return "applied";
  } catch (error) {
    if (error instanceof GatewrightError) return error;
    throw error;
  }
}

describe("a plan", () => {
  it("says of random sets exactly what their apply does", async () => {
    const random = seededRandom(20_261_120);
    const seen = { accepted: 0, refused: 0, reloads: 0 };
    for (let round = 0; round < 300; round += 1) {
      const set = randomSet(random, [...world.manager.ingresses.list()]);
      const before = presentOf(world);
      const plan: Plan = await world.manager.ingresses.plan({ kind: "set", set });
      expect(presentOf(world), `round ${round}: planning changes nothing`).toEqual(before);
      const outcome = await applied(set);
      await until(isTidy);
      const after = presentOf(world);
      if (outcome !== "applied") {
        seen.refused += 1;
        expect(plan, `round ${round}`).toMatchObject({ accepted: false, problems: outcome.details });
        expect(after).toEqual(before);
        continue;
      }
      seen.accepted += 1;
      const documents = changesOf(before.stored, after.stored);
      expect(plan, `round ${round}`).toMatchObject({
        accepted: true,
        revision: before.revision,
        created: documents.added,
        changed: documents.changed,
        deleted: documents.removed,
        unchanged: set.ingresses.length - documents.added - documents.changed,
        effect: {
          rows: changesOf(before.rows, after.rows),
          policy_sets: {
            added: after.sets.filter((key) => !before.sets.includes(key)).length,
            removed: before.sets.filter((key) => !after.sets.includes(key)).length,
          },
        },
      });
      const isChanged = documents.added + documents.changed + documents.removed > 0;
      expect(after.revision).toBe(before.revision + (isChanged ? 1 : 0));
      expect(plan.effect?.reload, `round ${round}`).toBe(after.ports !== before.ports);
      if (plan.effect?.reload === true) seen.reloads += 1;
      // Again, it is what it shall be.
      expect(await world.manager.ingresses.plan({ kind: "set", set })).toMatchObject({
        created: 0,
        changed: 0,
        deleted: 0,
      });
    }
    // Each kind came up.
    expect(Math.min(seen.accepted, seen.refused, seen.reloads)).toBeGreaterThan(20);
  });

  it("leads back from any revision to any that is kept", async () => {
    const states = new Map<number, unknown>();
    const withoutTimes = () =>
      [...world.manager.ingresses.list()].map(({ updated_at: _, ...ingress }) => ingress);
    const random = seededRandom(7);
    for (let round = 0; round < 40; round += 1) {
      await applied(randomSet(random, [...world.manager.ingresses.list()]));
      states.set(world.manager.ingresses.revision, withoutTimes());
    }
    const revisions = [...states.keys()];
    for (let round = 0; round < 30; round += 1) {
      const to = revisions[Math.floor(random() * revisions.length)] as number;
      await world.manager.ingresses.apply(await world.manager.ingresses.rollbackTo(to));
      expect(withoutTimes()).toEqual(states.get(to));
    }
  });
});
