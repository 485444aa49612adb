import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listenersIn } from "../../src/compiler/listeners.ts";
import { GatewrightError } from "../../src/errors.ts";
import { freePort } from "../support/free-port.ts";
import type { MemoryCaddy, MemoryCall } from "../support/memory-caddy.ts";
import { until } from "../support/until.ts";
import { type ManagerWorld, requestFor, startWorld } from "./manager-world.ts";

let world: ManagerWorld;
let caddy: MemoryCaddy;

beforeEach(async () => {
  world = await startWorld();
  caddy = world.caddy;
});
afterEach(() => world[Symbol.asyncDispose]());

const slow = { policies: { timeouts: { response_header: "7s" } } };
const portsOf = (config: MemoryCaddy["loaded"]): number[] =>
  listenersIn(config?.apps).map(({ port }) => port);
const rowIds = (): string[] => caddy.rows.map(({ ingress }) => ingress);
/** Until what runs is exactly what is stored. */
const isTidy = (): Promise<void> =>
  until(() => {
    const ports = new Set(caddy.rows.map(({ port }) => port));
    const has = portsOf(caddy.loaded);
    return has.length === ports.size && has.every((port) => ports.has(port));
  });
/** The policy sets that run, as text. */
const sets = (): string => JSON.stringify(caddy.policySets);

describe("a Caddy that is started in the middle of a batch", () => {
  it("C9: gets the committed state, not what is staged", async () => {
    await world.create("before");
    const port = await freePort();
    world.onStep = async (step) => {
      if (step === "stage") await world.host.crash();
    };
    await world.create("new", { port, ...slow });
    expect(caddy.launches).toHaveLength(2);
    expect(portsOf(caddy.launches.at(-1))).not.toContain(port);
    // The batch goes on with it.
    expect(portsOf(caddy.loaded)).toContain(port);
    expect(rowIds()).toEqual(expect.arrayContaining(["before", "new"]));
    expect(Object.keys(caddy.policySets)).toHaveLength(2);
  });

  it("keeps a port that was taken meanwhile a refusal of its change", async () => {
    const port = await freePort();
    world.onStep = async (step) => {
      if (step !== "stage") return;
      world.onStep = () => undefined;
      caddy.takenPorts.add(port);
      await world.host.crash();
    };
    await expect(world.create("new", { port })).rejects.toMatchObject({ code: "port_in_use" });
    expect(rowIds()).toEqual([]);
  });
});

describe("policy sets", () => {
  const changesOf = async (act: () => Promise<unknown>): Promise<readonly string[]> => {
    const before = caddy.changes.length;
    await act();
    await isTidy();
    return caddy.changes.slice(before);
  };

  it("come, change and go with the rows that name them, without a load", async () => {
    const { id } = await world.create("one");
    const fast = sets();
    const changes = await changesOf(async () => {
      await world.create("two");
      expect(sets()).toBe(fast);
      await world.manager.ingresses.replace(id, requestFor("one", slow));
      expect(Object.keys(caddy.policySets)).toHaveLength(2);
      await world.manager.ingresses.delete(id);
    });
    expect(sets()).toBe(fast);
    expect(changes).toEqual(["patchTable", "patchTable", "patchTable", "commitTable"]);
  });

  it("D13: change in one step when a manager with another setting finds Caddy", async () => {
    await world.create("one");
    await world.create("two", slow);
    const timeouts = { readIdle: "30s", writeIdle: "30s", idle: "2m", connect: "9s" };
    expect(await changesOf(() => world.restart({ timeouts }))).toEqual(["replaceTable"]);
    expect(sets()).toContain('"9s"');
    expect(sets()).not.toContain('"3s"');
  });

  it("are as they were when a change of them could not be stored", async () => {
    const { id } = await world.create("one");
    const before = [caddy.rows, sets()];
    world.store.beforeCommit = () => Promise.reject(new GatewrightError("store_unavailable", "full"));
    const changed = world.manager.ingresses.replace(id, requestFor("one", slow));
    await expect(changed).rejects.toMatchObject({ code: "store_unavailable" });
    expect([caddy.rows, sets()]).toEqual(before);
  });

  it("that Caddy refuses are their ingress's refusal, and no other's", async () => {
    const bad = ({ method, body }: MemoryCall): void => {
      if (/Table/.test(method) && JSON.stringify(body).includes('"7s"'))
        throw new GatewrightError("config_validation_failed", "refused");
    };
    caddy.onRequest = bad;
    const [good, refused, other] = await Promise.allSettled([
      world.create("good"),
      world.create("refused", slow),
      world.create("other"),
    ]);
    expect([good.status, other.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(refused).toMatchObject({ reason: { code: "config_validation_failed" } });
    expect(rowIds().toSorted()).toEqual(["good", "other"]);
    expect(Object.keys(caddy.policySets)).toHaveLength(1);
  });
});

describe("a manager that finds a Caddy", () => {
  it("loads nothing when that runs what is stored", async () => {
    await world.create("one");
    const before = caddy.changes.length;
    await world.restart();
    expect(caddy.changes.slice(before)).toEqual([]);
  });

  it("loads its own over what somebody changed under the same version", async () => {
    await world.create("one");
    const { loaded } = caddy;
    caddy.tamper((config) => ({ ...config, apps: { gatewright: config.apps.gatewright } }));
    await world.restart();
    expect(caddy.loaded).toEqual(loaded);
  });
});

describe("C5: a Caddy that somebody else changes", () => {
  it("gets its own again at once", async () => {
    await world.create("one");
    await isTidy();
    const { loaded } = caddy;
    caddy.tamper((config) => ({ ...config, apps: { gatewright: config.apps.gatewright } }));
    await until(() => JSON.stringify(caddy.loaded) === JSON.stringify(loaded), 20_000);
    await until(() => world.manager.ingresses.ready().ready);
    expect(world.manager.caddyHealth()).toMatchObject({ drifts: 1, hasDrifted: false, isUp: true });
  });

  const meddleWithTable = async (): Promise<void> => {
    const { table: version } = await caddy.running();
    caddy.tamperTable({ version, rows: [] });
  };
  /** Until what runs was looked at again. */
  const isLookedAt = async (): Promise<void> => {
    const asked = (): number => caddy.calls.filter(({ method }) => method === "running").length;
    const before = asked();
    await until(() => asked() >= before + 2, 20_000);
  };

  it("gets its rows again where another table has the version of ours", async () => {
    await world.create("one");
    await isTidy();
    await meddleWithTable();
    await until(() => rowIds().length === 1, 20_000);
    await isLookedAt();
    expect(world.manager.caddyHealth()).toMatchObject({ drifts: 1, hasDrifted: false, isUp: true });
    expect(world.manager.ingresses.ready()).toEqual({ ready: true, reasons: [] });
  });

  it("gets its rows again where a change went upon another table with the version of ours", async () => {
    await world.create("one");
    await isTidy();
    await meddleWithTable();
    await world.create("two");
    await until(() => rowIds().length === 2, 20_000);
    await isLookedAt();
    expect(world.manager.caddyHealth()).toMatchObject({ hasDrifted: false });
  });

  it("is not what a lost answer to a change of ours leaves, nor a restart of Caddy or of the manager", async () => {
    let losses = 0;
    const lose = ({ method }: { readonly method: string }): void => {
      if (!/Table/.test(method) || losses >= 3) return;
      losses += 1;
      throw new GatewrightError("caddy_unavailable", "lost");
    };
    for (const place of ["onAnswer", "onRequest"] as const) {
      losses = 0;
      caddy[place] = lose;
      await world.create(place.toLowerCase());
      await isLookedAt();
      expect(losses).toBeGreaterThan(0);
      caddy[place] = () => undefined;
    }
    await world.host.crash();
    await world.create("after");
    await isLookedAt();
    expect(world.manager.caddyHealth()).toMatchObject({ drifts: 0, hasDrifted: false });
    await world.restart();
    await world.create("again");
    await isLookedAt();
    expect(world.manager.caddyHealth()).toMatchObject({ drifts: 0, hasDrifted: false });
    expect(rowIds()).toHaveLength(4);
  }, 60_000);

  it("while ours is being loaded gets ours", async () => {
    let meddled = false;
    caddy.onAnswer = ({ method }) => {
      if (method !== "load" || meddled) return;
      meddled = true;
      caddy.tamper((config) => ({ ...config, apps: { gatewright: config.apps.gatewright } }));
    };
    const port = await freePort();
    await world.create("one", { port });
    expect(meddled).toBe(true);
    expect(portsOf(caddy.loaded)).toContain(port);
  });
});
