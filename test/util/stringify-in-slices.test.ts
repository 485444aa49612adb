import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { stringifyInSlices } from "../../src/util/stringify-in-slices.ts";

it("writes what JSON.stringify writes", async () => {
  for (const value of [
    {},
    { a: 1, b: undefined, 'c"': ["x", null, undefined, { d: [] }], e: { f: [1, 2] }, g: null },
    { rows: Array.from({ length: 1_234 }, (_, id) => ({ id, text: `é "${id}"` })) },
  ])
    expect((await stringifyInSlices(value)).toString()).toBe(JSON.stringify(value));
});

it("leaves others their turn", async () => {
  let turns = 0;
  let isDone = false;
  const done = stringifyInSlices({ rows: Array.from({ length: 5_000 }, (_, id) => ({ id })) }).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await setImmediate();
    turns += 1;
  }
  await done;
  expect(turns).toBeGreaterThan(40);
});
