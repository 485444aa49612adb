import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { freePort } from "../support/free-port.ts";
import { type ManagerWorld, requestFor, startWorld } from "./manager-world.ts";

let world: ManagerWorld;
let taken: Server | undefined;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  taken?.close();
  taken = undefined;
});

/** Makes changes that go together in one batch, behind one that is held until they wait. */
async function together<Result>(
  changes: () => readonly Promise<Result>[],
  turns = 20,
): Promise<PromiseSettledResult<Result>[]> {
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  world.onStep = async (step) => {
    if (step !== "stage") return;
    world.onStep = () => undefined;
    reached.resolve();
    await held.promise;
  };
  const first = world.create("first");
  await reached.promise;
  const commits = world.store.commits.length;
  const settled = Promise.allSettled(changes());
  // Each is admitted before it waits for the writer.
  await waitTurns(turns);
  expect(world.store.commits).toHaveLength(commits);
  held.resolve();
  await first;
  return settled;
}

async function waitTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const full = (): Promise<never> => Promise.reject(new GatewrightError("store_unavailable", "full"));
const codeOf = (result: PromiseSettledResult<unknown> | undefined): unknown =>
  result?.status === "rejected" ? (result.reason as GatewrightError).code : result?.status;

async function takePort(): Promise<number> {
  const port = await freePort();
  taken = createServer().listen(port, "127.0.0.1");
  await once(taken, "listening");
  return port;
}

describe("a batch that cannot be stored", () => {
  it("leaves nothing of it behind, also where its changes are of one ingress", async () => {
    const kept = await world.create("kept");
    const rows = world.caddy.rows;
    const names = ["one", "two", "three"];
    const settled = together(() =>
      names.map((name) => world.manager.ingresses.replace(kept.id, requestFor(name))),
    );
    world.store.beforeCommit = async () => {
      world.store.beforeCommit = full;
    };
    expect((await settled).map(codeOf)).toEqual(names.map(() => "store_unavailable"));
    expect(world.caddy.rows.filter(({ ingress }) => ingress !== "first")).toEqual(rows);
    world.store.beforeCommit = () => Promise.resolve();
    // What was refused must not come with what follows.
    await world.create("next");
    expect(world.manager.ingresses.get(kept.id)).toEqual(kept);
    expect(world.caddy.rows.map(({ ingress }) => ingress).sort()).toEqual(["first", "kept", "next"]);
    expect(world.store.commits.flatMap(({ puts }) => puts.map(({ name }) => name))).toEqual([
      "kept",
      "first",
      "next",
    ]);
    for (const name of names) await world.create(name);
  });
});

describe("a batch that fails once Caddy has it", () => {
  it.each([
    new GatewrightError("store_unavailable", "broken"),
    new GatewrightError("store_conflict", "broken"),
    new Error("broken"),
  ])("is out of Caddy at once, whatever failed: %s", async (failure) => {
    const kept = await world.create("kept");
    const rows = world.caddy.rows;
    world.store.beforeCommit = () => Promise.reject(failure);
    await expect(world.manager.ingresses.replace(kept.id, requestFor("lost"))).rejects.toThrow("broken");
    expect(world.caddy.rows).toEqual(rows);
    expect(world.manager.ingresses.get(kept.id)).toEqual(kept);
  });
});

describe("a batch of long documents", () => {
  it("C2: leaves everything else its turn between deciding and staging, and between documents", async () => {
    const long = (name: string) => ({
      name,
      rules: Array.from({ length: 500 }, (_, index) => ({
        match: { hostname: `h${index}.${name}.example.com` },
        target: { instance: "web-1", port: 80 },
      })),
    });
    let turns = 0;
    const settled = together(
      () => ["a", "b", "c"].map((name) => world.manager.ingresses.create(long(name))),
      100,
    );
    let isOver = false;
    const staged = new Promise<number>((resolve) => {
      world.store.beforeCommit = async () => {
        // Those of the document before them have been stored.
        world.onStep = (step) => {
          if (step === "stage") resolve(turns);
        };
        world.store.beforeCommit = () => Promise.resolve();
        turns = 0;
      };
    });
    void settled.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await waitTurns(1);
      turns += 1;
    }
    expect((await settled).map(codeOf)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    expect(await staged).toBeGreaterThanOrEqual(6);
  });
});

describe("a batch with a change that is refused", () => {
  it.each([2, 3, 8])("refuses that one alone of %i", async (size) => {
    const port = await takePort();
    for (const guilty of [0, size - 1]) {
      const names = Array.from({ length: size }, (_, index) => `n${guilty}-${index}`);
      const settled = await together(() =>
        names.map((name, index) => world.create(name, index === guilty ? { port } : {})),
      );
      expect(settled.map(codeOf)).toEqual(
        names.map((_, index) => (index === guilty ? "port_in_use" : "fulfilled")),
      );
      const { id } = [...world.manager.ingresses.list()].find(({ name }) => name === "first") ?? { id: "" };
      await world.manager.ingresses.delete(id);
    }
  });

  it("refuses each of several, and stores the rest once", async () => {
    const port = await takePort();
    const settled = await together(() =>
      ["a", "b", "c", "d", "e"].map((name) => world.create(name, "be".includes(name) ? { port } : {})),
    );
    expect(settled.map(codeOf)).toEqual([
      "fulfilled",
      "port_in_use",
      "fulfilled",
      "fulfilled",
      "port_in_use",
    ]);
    const stored = world.store.commits.flatMap(({ puts }) => puts.map(({ name }) => name));
    expect(stored.sort()).toEqual(["a", "c", "d", "first"]);
  });
});

it("a batch of which nothing is left is not stored", async () => {
  await world.create("one");
  await expect(world.manager.ingresses.delete("none")).rejects.toMatchObject({ code: "not_found" });
  expect(world.store.commits).toHaveLength(1);
});

it("512 changes go together at the most", async () => {
  const names = Array.from({ length: 514 }, (_, index) => `n${index}`);
  const settled = await together(() => names.map((name) => world.create(name)), 514 * 2);
  expect(settled.map(codeOf)).toEqual(names.map(() => "fulfilled"));
  expect(world.store.commits.map(({ puts }) => puts.length)).toEqual([1, 512, 2]);
});

it("what is submitted after close is refused, and what was accepted is done", async () => {
  const settled = await together(() => [
    world.create("accepted"),
    waitTurns(10)
      .then(() => world.manager.stop())
      .then(() => world.create("late")),
  ]);
  expect(settled.map(codeOf)).toEqual(["fulfilled", "shutting_down"]);
});
