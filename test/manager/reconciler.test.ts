import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listenersIn } from "../../src/compiler/listeners.ts";
import { GatewrightError } from "../../src/errors.ts";
import { freePort } from "../support/free-port.ts";
import type { MemoryCaddy } from "../support/memory-caddy.ts";
import { until } from "../support/until.ts";
import { type ManagerWorld, requestFor, startWorld } from "./manager-world.ts";

let world: ManagerWorld;
let caddy: MemoryCaddy;
/** Rows that met no policy set after some change of Caddy. */
let dangling: string[];

beforeEach(async () => {
  world = await startWorld();
  caddy = world.caddy;
  dangling = [];
  caddy.onAnswer = () => void dangling.push(...caddy.dangling);
});
afterEach(() => world[Symbol.asyncDispose]());

const slow = { policies: { timeouts: { response_header: "7s" } } };
const portsOf = (config: MemoryCaddy["loaded"]): number[] =>
  listenersIn(config?.apps).map(({ port }) => port);
const rowIds = (): string[] => caddy.rows.map(({ ingress }) => ingress);
/** Until what runs is exactly what is stored. */
const isTidy = (): Promise<void> =>
  until(() => {
    const sets = new Set(caddy.rows.map(({ policy }) => policy));
    const has = Object.keys(caddy.loaded?.apps.gatewright.policy_sets ?? {});
    return has.length === sets.size && has.every((key) => sets.has(key));
  });

describe("a Caddy that is started in the middle of a batch", () => {
  it("C9: gets the committed state, not what is staged", async () => {
    await world.create("before");
    const port = await freePort();
    world.onStep = async (step) => {
      if (step === "staged") await world.host.crash();
    };
    await world.create("new", { port, ...slow });
    expect(caddy.launches).toHaveLength(2);
    expect(portsOf(caddy.launches.at(-1))).not.toContain(port);
    expect(Object.keys(caddy.launches.at(-1)?.apps.gatewright.policy_sets ?? {})).toHaveLength(1);
    // The batch goes on with it.
    expect(portsOf(caddy.loaded)).toContain(port);
    expect(rowIds()).toEqual(expect.arrayContaining(["before", "new"]));
    expect(dangling).toEqual([]);
  });

  it("keeps a port that was taken meanwhile a refusal of its change", async () => {
    const port = await freePort();
    world.onStep = async (step) => {
      if (step !== "staged") return;
      world.onStep = () => undefined;
      caddy.takenPorts.add(port);
      await world.host.crash();
    };
    await expect(world.create("new", { port })).rejects.toMatchObject({ code: "port_in_use" });
    expect(rowIds()).toEqual([]);
  });
});

describe("rows find their policy set at each moment", () => {
  it("while policies of ingresses change", async () => {
    const { id } = await world.create("one");
    await world.manager.ingresses.replace(id, requestFor("one", slow));
    await isTidy();
    await world.manager.ingresses.delete(id);
    await isTidy();
    expect(dangling).toEqual([]);
  });

  it("D13: when a manager with another setting finds Caddy", async () => {
    await world.create("one");
    await world.create("two", slow);
    await world.restart({ timeouts: { readIdle: "30s", writeIdle: "30s", idle: "2m", connect: "9s" } });
    expect(JSON.stringify(caddy.loaded)).toContain('"9s"');
    expect(JSON.stringify(caddy.loaded)).not.toContain('"3s"');
    expect(dangling).toEqual([]);
  });

  it("when a change of policies could not be stored", async () => {
    const { id } = await world.create("one");
    const before = caddy.rows;
    world.store.beforeCommit = () => Promise.reject(new GatewrightError("store_unavailable", "full"));
    const changed = world.manager.ingresses.replace(id, requestFor("one", slow));
    await expect(changed).rejects.toMatchObject({ code: "store_unavailable" });
    expect(caddy.rows).toEqual(before);
    expect(dangling).toEqual([]);
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
  it("gets its own again at once, though orders of certificates are under way", async () => {
    await world.create("one");
    await isTidy();
    const { loaded } = caddy;
    world.manager.tls.holdNamesWhile(() => true);
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

  it("is not what a lost answer to a change of ours leaves, nor a Caddy or manager that starts anew", async () => {
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

  it("gets its own even where what runs cannot be loaded together with it", async () => {
    await world.create("one");
    await isTidy();
    caddy.tamper(({ apps, ...rest }) => {
      const gatewright = { ...apps.gatewright, version: "other", policy_sets: { foreign: { handle: [] } } };
      return { ...rest, apps: { ...apps, gatewright } };
    });
    await caddy.replaceTable({ version: "other", rows: [] });
    caddy.onRequest = ({ method, body }) => {
      if (method === "load" && JSON.stringify(body).includes("foreign"))
        throw new GatewrightError("config_validation_failed", "refused");
    };
    await world.restart();
    expect(world.manager.ingresses.ready()).toEqual({ ready: true, reasons: [] });
    expect(rowIds()).toEqual(["one"]);
  });
});
