import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewrightError } from "../../src/errors.ts";
import { until } from "../support/until.ts";
import { type ManagerWorld, startWorld } from "./manager-world.ts";

let world: ManagerWorld;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

describe("a restart of Caddy", () => {
  it("in the middle of a batch has the feeds tell all again", async () => {
    expect(world.flushes).toBe(1);
    world.onStep = (step) => {
      if (step === "staged") void world.host.crash();
    };
    await world.create("a");
    await until(() => world.flushes === 2, 3_000);
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
    const flushes = world.flushes;
    await world.host.crash();
    await until(() => logger.entries.some(({ message }) => message.includes("trying again")));
    caddy.onRequest = () => undefined;
    await world.create("a");
    await until(() => world.flushes > flushes);
    expect(world.flushes).toBe(flushes + 1);
  });
});
