import { expect, it } from "vitest";
import { LogTail } from "../../src/caddy/log-tail.ts";
import type { CaddyLogEntry } from "../../src/model/api.ts";
import { startApi } from "../support/http-api.ts";
import { use } from "../support/use.ts";

const caddyLog = new LogTail();
const api = use(() => startApi({ caddyLog }));
const log = async (query = ""): Promise<readonly string[]> => {
  const reply = await api.call({ path: `/caddy/log${query}` });
  expect(reply.status).toBe(200);
  return reply.json<readonly CaddyLogEntry[]>().map(({ message }) => message);
};

it("answers the newest entries first, and those after one", async () => {
  for (const message of ["one", "two", "three"])
    caddyLog.add({ level: "warn", message, fields: { port: 80 } });
  expect(await log()).toEqual(["three", "two", "one"]);
  expect(await log("?limit=2")).toEqual(["three", "two"]);
  expect(await log("?after=2")).toEqual(["three"]);
  // Of a process that is no more: all are new.
  expect(await log("?after=99")).toEqual(["three", "two", "one"]);
  const [entry] = (await api.call({ path: "/caddy/log?limit=1" })).json<readonly CaddyLogEntry[]>();
  expect(entry).toMatchObject({ id: 3, level: "warn", fields: { port: 80 } });
});

it("keeps a thousand", async () => {
  for (let count = 0; count < 2_500; count++)
    caddyLog.add({ level: "info", message: `entry ${count}`, fields: {} });
  const kept = await log("?limit=1000");
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([1_000, "entry 2499", "entry 1500"]);
});
