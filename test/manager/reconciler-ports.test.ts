import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { listenersIn } from "../../src/compiler/listeners.ts";
import { GatewrightError } from "../../src/errors.ts";
import type { Condition, Ingress } from "../../src/model/api.ts";
import { freePort } from "../support/free-port.ts";
import type { MemoryCaddy } from "../support/memory-caddy.ts";
import { until } from "../support/until.ts";
import { type ManagerWorld, requestFor, startWorld } from "./manager-world.ts";

let world: ManagerWorld;
const programs: Server[] = [];
beforeEach(async () => {
  // Ports are tried again when the test says so.
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  world = await startWorld();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  for (const program of programs.splice(0)) program.close();
  vi.useRealTimers();
});

/** Another program takes the port. */
async function take(port: number): Promise<Server> {
  const program = createServer().listen(port, "127.0.0.1");
  programs.push(program);
  await once(program, "listening");
  return program;
}
async function free(program: Server): Promise<void> {
  program.close();
  await once(program, "close");
}

const portsOf = (config: MemoryCaddy["loaded"]): readonly number[] =>
  listenersIn(config?.apps).map(({ port }) => port);
const programmed = (ingress: Ingress): Omit<Condition, "last_transition_time"> | undefined =>
  world.manager.conditions
    .map((contributor) => contributor(ingress, []))
    .find((one) => one?.type === "Programmed");

const saved = async (): Promise<unknown> =>
  JSON.parse(await readFile(join(world.folder, "config.json"), "utf8"));

describe("a port that another program has taken when Caddy starts", () => {
  it("is left out with its reason, and the rest is served", async () => {
    const port = await freePort();
    const [kept, waiting] = [await world.create("kept"), await world.create("waiting", { port })];
    const program = await take(port);
    await world.host.crash();
    expect(portsOf(world.caddy.launches.at(-1))).not.toContain(port);
    const reason = `port already in use: port ${port} is already bound by another process; stop it or choose another port`;
    expect(world.manager.ingresses.ready()).toEqual({
      ready: true,
      reasons: [`port ${port} is not served: ${reason}`],
    });
    expect(world.manager.caddyHealth()).toMatchObject({ unservedPorts: 1, isUp: true });
    expect(programmed(kept)).toMatchObject({ status: "True" });
    expect(programmed(waiting)).toMatchObject({
      status: "False",
      reason: "PortUnavailable",
      message: reason,
    });
    await expect(world.create("another", { port })).rejects.toMatchObject({
      code: "port_in_use",
      details: [{ field: "rules[0].match.port", message: reason }],
    });
    // What has nothing to do with it goes on.
    await world.create("other", { port: await freePort() });
    await free(program);
  });

  it("is tried again every five seconds, and served when it is free", async () => {
    const port = await freePort();
    const waiting = await world.create("waiting", { port });
    await world.create("kept");
    const program = await take(port);
    await world.host.crash();
    await vi.advanceTimersByTimeAsync(5_000);
    await world.create("more");
    expect(portsOf(world.caddy.loaded)).not.toContain(port);
    await free(program);
    vi.advanceTimersByTime(4_999);
    await world.create("yet-more");
    expect(world.manager.caddyHealth().unservedPorts).toBe(1);
    vi.advanceTimersByTime(1);
    await until(() => portsOf(world.caddy.loaded).includes(port));
    await until(() => programmed(waiting)?.status === "True");
    expect(world.manager.ingresses.ready()).toEqual({ ready: true, reasons: [] });
    await until(async () => isDeepStrictEqual(await saved(), world.caddy.loaded));
  });

  it("makes it not ready where it is the only one", async () => {
    const port = await freePort();
    await world.create("only", { port });
    const program = await take(port);
    await world.host.crash();
    expect(world.manager.ingresses.ready()).toMatchObject({
      ready: false,
      reasons: ["no port is served", expect.stringContaining(`port ${port} is not served`)],
    });
    await free(program);
  });

  it("is tried no more once the manager stops", async () => {
    const port = await freePort();
    await world.create("waiting", { port });
    const program = await take(port);
    await world.host.crash();
    await world.manager.stop();
    expect(vi.getTimerCount()).toBe(0);
    await free(program);
  });
});

describe("Caddy's files that cannot be written", () => {
  /** Nothing can be written under the name until it is given back. */
  async function block(name: string): Promise<() => Promise<void>> {
    const path = join(world.folder, name);
    await rm(path, { force: true });
    await mkdir(join(path, "full"), { recursive: true });
    return () => rm(path, { recursive: true });
  }
  const logged = (message: string): boolean =>
    world.logger.entries.some((entry) => entry.message.includes(message));

  it("let Caddy start from the last ones; it gets what is stored when it runs", async () => {
    await world.create("one");
    await world.host.crash();
    const give = await block("table.json.tmp");
    await world.create("two", { policies: { timeouts: { response_header: "7s" } } });
    await world.host.crash();
    expect(logged("it starts from the last ones")).toBe(true);
    await until(() => world.caddy.rows.length === 2);
    await until(() => world.manager.ingresses.ready().ready);
    await give();
    await world.manager.tls.reload();
    expect(await saved()).toEqual(world.caddy.loaded);
  });

  it("keep Caddy from starting where there are none yet", async () => {
    await world.create("one");
    await rm(join(world.folder, "table.json"), { force: true });
    const give = await block("table.json.tmp");
    await expect(world.host.crash()).rejects.toMatchObject({ code: "store_unavailable" });
    await give();
    await world.host.crash();
  });

  it("refuse no change, and are written when they can be", async () => {
    const give = await block("config.json");
    const port = await freePort();
    await world.create("one", { port });
    expect(portsOf(world.caddy.loaded)).toContain(port);
    await until(() =>
      logged("config.json could not be written; Caddy runs the new configuration all the same"),
    );
    await give();
    await world.manager.tls.reload();
    expect(await saved()).toEqual(world.caddy.loaded);
  });

  it("are written once for each configuration", async () => {
    await world.create("one");
    await world.manager.tls.reload();
    const path = join(world.folder, "config.json");
    await rm(path);
    await world.create("two");
    await world.manager.tls.reload();
    await expect(readFile(path)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("a Caddy that refuses what is stored", () => {
  const refuse = (): void => {
    world.caddy.onRequest = ({ method }) => {
      if (/load|Table/.test(method)) throw new GatewrightError("config_validation_failed", "it is refused");
    };
  };

  it("makes it not ready, in words, until it takes it", async () => {
    const one = await world.create("one");
    const settings = { timeouts: { readIdle: "30s", writeIdle: "30s", idle: "2m", connect: "9s" } } as const;
    refuse();
    await world.restart(settings);
    expect(world.manager.ingresses.ready()).toEqual({
      ready: false,
      reasons: ["caddy does not run the stored ingresses yet", "caddy: it is refused"],
    });
    expect(programmed(one)).toMatchObject({ status: "False", reason: "Pending" });
    expect(world.logger.entries).toContainEqual(
      expect.objectContaining({
        level: "error",
        message: "caddy does not serve the stored ingresses; trying again",
        fields: { error: expect.objectContaining({ code: "config_validation_failed" }) },
      }),
    );
    world.caddy.onRequest = () => undefined;
    await until(() => world.manager.ingresses.ready().ready);
    expect(programmed(one)).toMatchObject({ status: "True" });
    // Tried more than once, and told once.
    expect(world.events.map(({ type, data }) => [type, data?.["reason"]])).toEqual([
      ["caddy.programmed", undefined],
      ["ingress.created", undefined],
      ["caddy.unprogrammed", "it is refused"],
      ["caddy.programmed", undefined],
    ]);
    await world.host.crash().catch(() => undefined);
  });

  it("makes a reload of certificates fail, and is named afterwards", async () => {
    const one = await world.create("one");
    world.caddy.onRequest = () => {
      throw new Error("it is broken");
    };
    world.caddy.tamper((config) => config);
    await world.host.crash();
    await expect(world.manager.tls.reload()).rejects.toThrow("it is broken");
    expect(world.manager.ingresses.ready().reasons).toContain("caddy: it is broken");
    expect(programmed(one)).toMatchObject({ status: "False", reason: "CaddyFails" });
    world.caddy.onRequest = () => undefined;
    await world.manager.tls.reload();
    expect(world.manager.ingresses.ready().ready).toBe(true);
  });
});

describe("names of certificates", () => {
  const loads = (): number => world.caddy.calls.filter(({ method }) => method === "load").length;
  const names = (): readonly (string | undefined)[] =>
    world.caddy.rows.map(({ managed_name: name }) => name?.subject).sort();
  const create = (name: string): Promise<Ingress> => {
    const { rules, ...rest } = requestFor(name);
    const tls = { tls: true, tls_options: { issuer: "internal" } } as const;
    return world.manager.ingresses.create({ ...rest, rules: rules.map((rule) => ({ ...rule, ...tls })) });
  };

  it("are in the host table: the first of an issuer takes a configuration, further ones none", async () => {
    const one = await create("one");
    expect(Object.keys(world.caddy.loaded?.apps.gatewright_certificates?.authorities ?? {})).toEqual([
      "internal",
    ]);
    const before = loads();
    await create("two");
    await world.manager.ingresses.delete(one.id);
    expect(names()).toEqual(["two.example.com"]);
    expect(world.manager.tls.names().map(({ subject }) => subject)).toEqual(["two.example.com"]);
    await create("three");
    await world.restart();
    expect(names()).toEqual(["three.example.com", "two.example.com"]);
    expect(loads()).toBe(before);
  });
});
