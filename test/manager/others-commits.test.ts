import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Row } from "../../src/compiler/row.ts";
import { GatewrightError } from "../../src/errors.ts";
import type { Ingress } from "../../src/model/api.ts";
import type { Others, OthersCommit } from "../../src/store/document-store.ts";
import { until } from "../support/until.ts";
import { type ManagerWorld, requestFor, startWorld } from "./manager-world.ts";

let world: ManagerWorld;
/** Other gateways, by hand: what they commit, and what is told of it. */
let arrived: OthersCommit<Ingress>[];
let arrive: () => void;

beforeEach(async () => {
  world = await startWorld();
  arrived = [];
  arrive = () => undefined;
  const others: Others<Ingress> = {
    take: () => arrived.splice(0),
    onArrival: (listener) => {
      arrive = listener;
      return () => undefined;
    },
    confirm: async () => undefined,
    refusal: () => undefined,
  };
  Object.assign(world.store, { others });
  await world.restart();
});
afterEach(() => world[Symbol.asyncDispose]());

/** What another gateway would make of a request. */
async function made(name: string, more: Partial<Ingress> = {}): Promise<Ingress> {
  const elsewhere = await startWorld();
  try {
    const ingress = await elsewhere.create(name);
    const rules = ingress.rules.map((rule) => ({ ...rule, match: { ...rule.match, port: 8080 } }));
    return { ...ingress, rules, ...more };
  } finally {
    await elsewhere[Symbol.asyncDispose]();
  }
}

/** The next commit of another gateway, as the store tells of it. */
async function committedElsewhere(puts: readonly Ingress[], more: Partial<OthersCommit<Ingress>> = {}) {
  const expected = world.manager.ingresses.revision;
  await world.store.commit({ expected, puts, deletes: more.deletes ?? [] });
  arrived.push({ revision: expected + 1, puts, deletes: [], unreadable: [], ...more });
  arrive();
  await until(() => world.manager.ingresses.revision === expected + 1);
}

/** Whether Caddy has what the manager wants it to have. */
const isServed = async () => (await world.caddy.running()).table === world.manager.wanted.tableVersion();
const setAside = () => world.manager.ingresses.setAside().map(({ id, reason }) => [id, reason]);
const names = () => [...world.manager.ingresses.list()].map(({ name }) => name).sort();

describe("what another gateway has committed", () => {
  it("is served and told of, and the next change of this one rests on it", async () => {
    const theirs = await made("theirs");
    const ann = { actor: { subject: "ann", via: "api" } } as const;
    await committedElsewhere([theirs], {
      record: { at: theirs.created_at, authors: [ann], changes: [{ author: 0, after: theirs }] },
    });
    expect(names()).toEqual(["theirs"]);
    expect(world.events).toContainEqual(
      expect.objectContaining({
        type: "ingress.created",
        actor: ann.actor,
        ingress: { id: theirs.id, name: "theirs" },
      }),
    );
    await expect(world.manager.ingresses.create(requestFor("theirs"))).rejects.toMatchObject({
      code: "already_exists",
    });
    await world.create("mine");
    expect(names()).toEqual(["mine", "theirs"]);
    expect(await isServed()).toBe(true);
  });

  it("is taken in where it was faster, and what was decided before is decided again", async () => {
    const theirs = await made("same");
    let isFirst = true;
    world.store.beforeCommit = async () => {
      if (!isFirst) return;
      isFirst = false;
      arrived.push({ revision: 1, puts: [theirs], deletes: [], unreadable: [] });
      throw new GatewrightError("store_conflict", "Another was faster.");
    };
    await expect(world.create("same")).rejects.toMatchObject({ code: "already_exists" });
    expect([...world.manager.ingresses.list()].map(({ id }) => id)).toEqual([theirs.id]);
    expect(await isServed()).toBe(true);
  });

  it("comes before what has it ordered: of what was overtaken no authority hears, and what is stored is committed", async () => {
    const mine = await world.create("mine");
    const theirs = await made("theirs");
    const told: (string | undefined)[] = [];
    world.caddy.onRequest = ({ body, method }) => {
      if (method !== "patchTable" && method !== "commitTable") return;
      told.push(`${method}${(body as { staged?: true }).staged === true ? " staged" : ""}`);
    };
    await world.store.commit({ expected: 1, puts: [theirs], deletes: [] });
    let isFirst = true;
    world.store.beforeCommit = async () => {
      told.push("store");
      if (isFirst) arrived.push({ revision: 2, puts: [theirs], deletes: [], unreadable: [] });
      isFirst = false;
    };
    await world.manager.ingresses.delete(mine.id);
    await until(() => told.at(-1) === "commitTable");
    // The second one takes back what was staged, with what the other gateway made.
    const overtaken = ["patchTable staged", "store", "patchTable"];
    expect(told).toEqual([...overtaken, "patchTable staged", "store", "commitTable"]);
    expect((await world.caddy.running()).staged).toBe(false);
    // The answer of a commit that a manager dies before it hears of is told by its next start.
    await world.caddy.replaceTable({
      version: (await world.caddy.running()).table,
      rows: world.caddy.rows,
      policy_sets: world.caddy.policySets,
      staged: true,
    });
    await world.restart();
    expect(await isServed()).toBe(true);
    expect((await world.caddy.running()).staged).toBe(false);
  });

  it("is set aside here alone where it cannot be read, and deleted where it is deleted", async () => {
    const kept = await made("kept");
    await committedElsewhere([kept], {
      unreadable: [
        {
          kind: "document",
          id: "newer",
          path: "newer",
          reason: "of a newer version",
          text: '{"name":"newer"}',
        },
      ],
    });
    expect([names(), setAside()]).toEqual([["kept"], [["newer", "unreadable"]]]);
    await committedElsewhere([], { deletes: ["newer", kept.id] });
    expect([names(), setAside()]).toEqual([[], []]);
  });

  it("is set aside here alone where this gateway's Caddy refuses it, and the rest is served", async () => {
    const [good, bad, late] = [await made("good"), await made("bad"), await made("late")];
    world.caddy.onRequest = ({ body }) => {
      const { rows = [], upsert = [] } = (body ?? {}) as { rows?: readonly Row[]; upsert?: readonly Row[] };
      if (JSON.stringify([rows, upsert]).includes(bad.id))
        throw new GatewrightError("config_validation_failed", "this Caddy lacks a module");
    };
    await committedElsewhere([good, bad, late]);
    expect([names(), setAside()]).toEqual([["good", "late"], [[bad.id, "refused"]]]);
    expect(await isServed()).toBe(true);
    await world.create("mine");
    expect(names()).toEqual(["good", "late", "mine"]);
  });
});

it("callers that come again one after another go together in the next commit, as in the last one", async () => {
  const wave = (number: number, after: (client: number) => Promise<void>) =>
    Promise.all(
      [0, 1, 2, 3].map(async (client) => {
        await after(client);
        await world.create(`of-${client}-${number}`);
      }),
    );
  // What comes first goes alone, since nobody is known to follow; so the last of these has more than one.
  await wave(0, async () => undefined);
  const before = world.store.commits.length;
  await wave(1, async (client) => {
    if (client > 0) await new Promise((resolve) => setImmediate(resolve));
  });
  const sizes = world.store.commits.slice(before).map(({ puts }) => puts.length);
  expect(sizes[0]).toBeGreaterThan(1);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(4);
});
