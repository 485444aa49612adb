import { beforeEach, describe, expect, it } from "vitest";
import type { Listener } from "../../src/compiler/listeners.ts";
import { GatewrightError } from "../../src/errors.ts";
import { ServedPorts } from "../../src/manager/served-ports.ts";
import { type RecordingLogger, recordingLogger } from "../support/recording-logger.ts";

const listener = (port: number, address = "127.0.0.1"): Listener => ({ network: "tcp", address, port });

/** Ports of other programs. */
let taken: Set<number>;
let probed: number[];
let logger: RecordingLogger;
let ports: ServedPorts;
beforeEach(() => {
  taken = new Set();
  probed = [];
  logger = recordingLogger();
  ports = new ServedPorts({
    probe: async ({ port }) => {
      probed.push(port);
      if (taken.has(port)) throw new GatewrightError("port_in_use", `port ${port} is taken`);
    },
    logger,
  });
});

const leftOut = (): readonly number[] => [...ports.leftOut.keys()];
const logged = (): readonly string[] =>
  logger.entries.map(({ level, fields }) => `${level} ${fields["port"] ?? ""}`.trim());

describe("a survey", () => {
  it("leaves out the ports that cannot be bound, and says so once", async () => {
    taken = new Set([2, 3]);
    expect(await ports.survey([1, 2, 3, 4].map((port) => listener(port)))).toBe(true);
    expect([...ports.leftOut].map(([port, { message }]) => [port, message])).toEqual([
      [2, "port 2 is taken"],
      [3, "port 3 is taken"],
    ]);
    expect(await ports.survey([1, 2, 3, 4].map((port) => listener(port)))).toBe(false);
    expect(logged()).toEqual(["error 2", "error 3"]);
    expect(logger.entries[0]?.fields).toEqual({ port: 2, reason: "port 2 is taken" });
  });

  it("says what is still left out when one is free, and when all are", async () => {
    const both = [listener(2), listener(3)];
    taken = new Set([2, 3]);
    await ports.survey(both);
    taken = new Set([3]);
    expect(await ports.survey(both)).toBe(true);
    expect(leftOut()).toEqual([3]);
    taken.clear();
    expect(await ports.survey(both)).toBe(true);
    expect(leftOut()).toEqual([]);
    expect(logged()).toEqual(["error 2", "error 3", "error 3", "info"]);
  });

  it("says nothing where every port can be bound", async () => {
    expect(await ports.survey([listener(1)])).toBe(false);
    expect(logged()).toEqual([]);
  });

  it("changes what is left out at once, when all is known", async () => {
    taken = new Set([1]);
    await ports.survey([listener(1)]);
    taken = new Set([1, 2]);
    const surveyed = ports.survey([listener(2), listener(1)]);
    while (probed.length < 3) {
      expect(leftOut()).toEqual([1]);
      await Promise.resolve();
    }
    await surveyed;
    expect(leftOut()).toEqual([2, 1]);
  });
});

describe("a demand", () => {
  it("throws for a port that cannot be bound, and leaves none out", async () => {
    taken = new Set([2]);
    await expect(ports.demand([listener(1), listener(2), listener(3)])).rejects.toMatchObject({
      code: "port_in_use",
    });
    expect([probed, leftOut()]).toEqual([[1, 2], []]);
  });

  it("passes over ports that are left out already", async () => {
    taken = new Set([2]);
    await ports.survey([listener(2)]);
    probed = [];
    await ports.demand([listener(1), listener(2)]);
    expect(probed).toEqual([1]);
  });
});

it("does not take sockets of our own Caddy for another program's", async () => {
  taken = new Set([1, 2]);
  ports.adopt([listener(1), listener(2, "10.0.0.1")]);
  expect(await ports.survey([listener(1)])).toBe(false);
  await expect(ports.demand([listener(2)])).rejects.toMatchObject({ code: "port_in_use" });
  // Those of the last configuration count, no others.
  ports.adopt([listener(2)]);
  await ports.demand([listener(2)]);
  expect(await ports.survey([listener(1)])).toBe(true);
});

it("probes one listener at a time, whoever asks, also after one that could not be bound", async () => {
  let open = 0;
  let most = 0;
  const one = new ServedPorts({
    probe: async ({ port }) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      if (port === 2) throw new GatewrightError("port_in_use", "taken");
    },
    logger,
  });
  await Promise.allSettled([
    one.survey([listener(1), listener(2)]),
    one.demand([listener(1), listener(2)]),
    one.survey([listener(1), listener(3)]),
  ]);
  expect(most).toBe(1);
});
