import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Event } from "../../../src/model/api.ts";
import { call } from "../../support/api.ts";
import { jwtSecret, token } from "../../support/authorized.ts";
import { openEventStream } from "../../support/event-stream.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const site = useGatewright({ JWT_SECRET: jwtSecret });

/** Resident memory of the manager, in MiB (proc(5)). */
async function residentMiB(): Promise<number> {
  const status = await readFile(`/proc/${site.process().pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
async function many(
  count: number,
  clients: number,
  send: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) await send(next++);
  };
  await Promise.all(Array.from({ length: clients }, client));
}
const events = async (query: string) =>
  (await call<Event[]>(`${site.url}/events?follow=false&limit=10000${query}`, { headers: token })).body;
const sizes = async () => {
  const files = ["events.log", "events.1.log"].map((name) => stat(join(site.dataDir, "events", name)));
  return (await Promise.allSettled(files)).map((one) => (one.status === "fulfilled" ? one.value.size : 0));
};

it("a flood of bad changes makes a few lines and events, none of strangers, and no memory", async () => {
  await many(500, 8, () => call(`${site.url}/ingresses`, { body: {}, headers: token }));
  const before = await residentMiB();
  const lines = site.output().split("\n").length;
  const [kept, written] = [(await events("")).length, (await sizes())[0] ?? 0];
  await many(3_000, 8, () =>
    call(`${site.url}/ingresses`, { body: { name: "x".repeat(2_000) }, headers: token }),
  );
  await many(3_000, 8, (index) => call(`${site.url}/ingresses/${index}`, { method: "DELETE" }));
  // Another minute may have begun in between, and another one.
  expect(site.output().split("\n").length - lines).toBeLessThan(200);
  expect((await events("")).length - kept).toBeLessThan(200);
  expect(((await sizes())[0] ?? 0) - written).toBeLessThan(200 * 1024);
  expect((await events("")).filter(({ data }) => data?.["code"] === "Unauthorized")).toEqual([]);
  expect((await residentMiB()) - before).toBeLessThan(64);
}, 120_000);

it("a flood of good changes takes the place of the oldest events, in memory and on disk", async () => {
  using client = await openEventStream(site.url, "", token);
  // Over connections that are kept, and so many at once that they share commits.
  const put = async (index: number) => {
    const answer = await fetch(`${site.url}/instances/flood`, {
      method: "PUT",
      body: JSON.stringify({
        network: { ip: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}` },
      }),
      headers: { ...token, "content-type": "application/json" },
    });
    expect(answer.ok, await answer.text()).toBe(true);
  };
  await many(12_000, 64, put);
  const all = await events("");
  expect([all.length, all[0]?.type]).toEqual([10_000, "instance.moved"]);
  await client.find(({ id }) => id === String(all[0]?.id));
  // A reader that keeps up has them all.
  expect(client.events.filter(({ data }) => JSON.stringify(data).includes('"flood"'))).toHaveLength(12_000);
  for (const size of await sizes()) expect(size).toBeLessThan(16 * 1024 * 1024);
  await site.stop("SIGKILL");
  await site.start();
  const after = await events("");
  expect(after).toHaveLength(10_000);
  const known = new Set(all.map(({ id }) => id));
  expect(after.filter(({ id }) => known.has(id)).length).toBeGreaterThan(9_900);
}, 180_000);
