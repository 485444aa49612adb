import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { type ManagerWorld, startWorld } from "./manager-world.ts";

let world: ManagerWorld;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

describe("a restart of the manager", () => {
  it("with a Caddy that lacks a module closes the ingresses that need it, and says so", async () => {
    await world.create("open");
    const match = { protocol: "tcp", port: await freePort() } as const;
    await world.manager.ingresses.create({
      name: "mail",
      rules: [{ match, target: { instance: "web-1", port: 25 } }],
    });
    await world.restart({ modules: [] });
    const reason = expect.stringMatching(/^ingress mail is closed: match.protocol in rule 0 needs/);
    expect(world.manager.ingresses.ready()).toEqual({ ready: true, reasons: [reason] });
    expect(world.logger.entries).toContainEqual(
      expect.objectContaining({ level: "error", message: reason, fields: { code: "module_missing" } }),
    );
  });

  it("knows what TLS rules need, and how often", async () => {
    const tls = { tls: true, tls_options: { issuer: "internal" } } as const;
    const rule = (path: string) =>
      ({
        match: { hostname: "a.example.com", path: { type: "prefix", value: path } },
        target: { instance: "web-1", port: 80 },
        ...tls,
      }) as const;
    const before = world.manager.tls.generation();
    await world.manager.ingresses.create({ name: "a", rules: [rule("/x"), rule("/y")] });
    expect(world.manager.tls.generation()).not.toBe(before);
    await world.restart();
    const { tls: view } = world.manager;
    expect(view.names()).toEqual([
      { kind: "managed", subject: "a.example.com", issuer: "internal", onDemand: false },
    ]);
    expect(view.usesOf({ kind: "issuer", issuer: "internal", onDemand: false })).toBe(2);
    expect([view.usesOfName("a.example.com"), view.usesOfName("b.example.com")]).toEqual([2, 0]);
  });
});

describe("a restart of Caddy", () => {
  it("in the middle of a batch has the feeds tell all again", async () => {
    await world.create("before");
    await world.manager.tls.reload();
    expect(world.feed).toEqual(["start", "flush"]);
    world.onStep = (step) => {
      if (step === "stage") void world.host.crash();
    };
    await world.create("a");
    await until(() => world.feed.length > 2);
    expect(world.feed).toEqual(["start", "flush", "flush"]);
    await world.manager.stop();
    expect(world.feed.at(-1)).toBe("stop");
  });

  it("after a failure is made good", async () => {
    const { logger } = world;
    world.caddy.onRequest = () => {
      throw new GatewrightError("config_validation_failed", "refused");
    };
    await world.host.crash();
    await until(() => logger.entries.some(({ message }) => message.includes("trying again")));
    world.caddy.onRequest = () => undefined;
    const asked = world.caddy.calls.length;
    await world.host.crash();
    await until(() => world.caddy.calls.length > asked);
  });

  it("has the feeds tell all again, though the first attempt fails and a batch comes before the second", async () => {
    const { caddy, logger } = world;
    caddy.onRequest = () => {
      throw new GatewrightError("config_validation_failed", "refused");
    };
    const before = world.feed.length;
    await world.host.crash();
    await until(() => logger.entries.some(({ message }) => message.includes("trying again")));
    caddy.onRequest = () => undefined;
    await world.create("a");
    await until(() => world.feed.length > before);
    expect(world.feed.slice(before)).toEqual(["flush"]);
  });
});
