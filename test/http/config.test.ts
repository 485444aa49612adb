import { connect } from "node:net";
import { expect, it } from "vitest";
import type { RunsLine } from "../../src/caddy/caddy-api.ts";
import { startApi } from "../support/http-api.ts";
import { until } from "../support/until.ts";

/** More than the buffers of a connection take: 40 MB. */
const ROWS = 40_000;
const padding = "x".repeat(1_000);
const PER_BATCH = 100;

it("is read from Caddy as fast as the client takes it, beside other calls", async () => {
  let given = 0;
  await using api = await startApi({
    runs: {
      config: () => Promise.resolve({}),
      running: () => Promise.resolve({ config: "c", table: "t", generation: 1, changes: 1 }),
      runs: async function* () {
        for (; given < ROWS; given += PER_BATCH)
          yield Array.from(
            { length: PER_BATCH },
            (_, index): RunsLine => ({ row: { id: `${given + index}/0`, host: "a.test", padding } }),
          );
        yield [{ policy_set: "k", set: { handle: [] } }];
      },
    },
  });
  const socket = connect(api.port, "127.0.0.1");
  socket.pause();
  socket.write("GET /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  await until(() => given > 0);
  // While the client takes nothing, what it has not taken is neither read nor held: a few buffers are full.
  let before = -1;
  await until(async () => {
    const stands = given === before;
    before = given;
    expect((await api.call({ path: "/health" })).status).toBe(200);
    return stands && given > 0;
  });
  expect(given).toBeLessThan(ROWS);
  let text = "";
  socket.on("data", (chunk) => (text = `${text}${chunk.toString()}`.slice(-1_500)));
  socket.resume();
  await new Promise((resolve) => socket.on("end", resolve));
  expect(given).toBe(ROWS);
  expect(text).toContain(
    `{"host":"a.test","id":"${ROWS - 1}/0","padding":"${padding}"}],"policy_sets":{"k":{"handle":[]}}}`,
  );
});

it("is read by two at a time", async () => {
  const waiting: (() => void)[] = [];
  await using api = await startApi({
    runs: {
      config: () => Promise.resolve({}),
      running: () => Promise.resolve({ config: "c", table: "t", generation: 1, changes: 1 }),
      runs: async function* () {
        await new Promise<void>((resolve) => waiting.push(resolve));
        yield [];
      },
    },
  });
  const first = [api.call({ path: "/config" }), api.call({ path: "/config" })];
  await until(() => waiting.length === 2);
  expect((await api.call({ path: "/config" })).status).toBe(503);
  for (const go of waiting) go();
  for (const answer of await Promise.all(first))
    expect(answer.json()).toEqual({
      versions: { config: "c", table: "t", generation: 1, changes: 1 },
      caddy: {},
      rows: [],
      policy_sets: {},
    });
});
