import { type IncomingMessage, request } from "node:http";
import { describe, expect, it } from "vitest";
import { LogTail } from "../../src/caddy/log-tail.ts";
import type { CaddyLogEntry } from "../../src/model/api.ts";
import { openEventStream } from "../support/event-stream.ts";
import { startApi } from "../support/http-api.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";

const caddyLog = new LogTail(() => new Date(0));
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

describe("a stream", () => {
  const open = (url: string, query = "", headers: { readonly [name: string]: string } = {}) =>
    openEventStream(url, query, { Accept: "text/event-stream", ...headers }, "/caddy/log");

  it("has the entries as they come, and goes on where it ended, also after a restart of the manager", async () => {
    const tail = new LogTail();
    await using api = await startApi({ caddyLog: tail });
    const say = (message: string) => tail.add({ level: "info", message, fields: {} });
    say("before");
    using all = await open(api.url, "?after=0");
    const first = await open(api.url);
    say("one");
    await first.find(({ data }) => data["message"] === "one");
    expect(first.events.map(({ type, data }) => [type, data["message"]])).toEqual([["entry", "one"]]);
    first[Symbol.dispose]();
    say("two");
    using resumed = await open(api.url, "", { "Last-Event-ID": first.lastId });
    await resumed.find(({ data }) => data["message"] === "two");
    expect(resumed.events).toHaveLength(1);
    await all.find(({ data }) => data["message"] === "two");
    expect(all.events.map(({ data }) => data["message"])).toEqual(["before", "one", "two"]);

    const later = new LogTail(() => new Date(Date.now() + 60_000));
    await using restarted = await startApi({ caddyLog: later });
    later.add({ level: "info", message: "three", fields: {} });
    using again = await open(restarted.url, "", { "Last-Event-ID": all.lastId });
    await again.find(({ data }) => data["message"] === "three");
    expect(again.events.map(({ type }) => type)).toEqual(["gap", "entry"]);
  });

  it("that is not read is cut, and costs no memory until then", async () => {
    const tail = new LogTail();
    await using api = await startApi({ caddyLog: tail });
    const deaf = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { accept: "text/event-stream" };
      request(`${api.url}/caddy/log`, { agent: false, headers }, resolve).on("error", reject).end();
    });
    let isCut = false;
    deaf.on("error", () => (isCut = true));
    using client = await open(api.url);
    // More than the buffers of both kernels take, at the pace of one who reads.
    for (let sent = 0; sent < 4_000; sent++) {
      tail.add({ level: "info", message: `${sent}`, fields: { fill: "x".repeat(10_000) } });
      if (sent % 100 === 0) await client.find(({ data }) => data["message"] === String(sent));
    }
    await client.find(({ data }) => data["message"] === "3999");
    expect(client.events).toHaveLength(4_000);
    deaf.resume();
    await until(() => isCut);
  });

  it("ends with its token, and counts among all that are open", async () => {
    const tail = new LogTail();
    await using api = await startApi({
      caddyLog: tail,
      secret: "secret-of-the-log-0123456789abcdef",
      limits: { eventStreams: 1 },
    });
    const made = await api.tokens.create({ name: "reader", scopes: ["admin:read"] }, { permissions: ["*"] });
    const authorized = { Authorization: `Bearer ${made.token}` };
    using client = await open(api.url, "", authorized);
    const refused = await api.call({ path: "/events", headers: authorized });
    expect([refused.status, refused.json()["code"]]).toEqual([503, "overloaded"]);
    await api.tokens.delete(made.id);
    await until(() => client.ended === "cut");
  });

  it.each(["?after=x", "?limit=5&follow=true", "?follow=yes", "?after=-1"])(
    "does not begin with %s",
    async (query) => {
      const reply = await api.call({ path: `/caddy/log${query}` });
      expect([reply.status, reply.json()["code"]]).toEqual([400, "Bad Request"]);
    },
  );

  it("is for who asks for it: a list is for everybody else, and HEAD has neither", async () => {
    const typeOf = async (headers: { readonly [name: string]: string }) => {
      const reply = await api.call({ method: "HEAD", path: "/caddy/log", headers });
      expect([reply.status, reply.text]).toEqual([200, ""]);
      return reply.headers["content-type"];
    };
    expect(await typeOf({ Accept: "text/event-stream" })).toBe("text/event-stream");
    expect(await typeOf({ Accept: "*/*" })).toBe("application/json");
  });
});
