import { type IncomingMessage, request } from "node:http";
import { describe, expect, it } from "vitest";
import type { Event } from "../../src/model/api.ts";
import { openEventStream } from "../support/event-stream.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { signToken } from "../support/sign-token.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";

const actor = { subject: "ann", via: "api" } as const;
const emit = (api: TestApi, name: string, more: object = {}) =>
  api.log.emit({ type: "ingress.changed", message: name, actor, ...more });
const bytesOf = (api: TestApi, name: string, count: number) =>
  emit(api, name, { data: { fill: "x".repeat(count) } });

describe("a stream", () => {
  it("has the events from now on, each with its id and type", async () => {
    await using api = await startApi();
    emit(api, "before");
    using client = await openEventStream(api.url);
    expect(client.response.headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "private, no-cache",
    });
    emit(api, "one\nwith two lines");
    emit(api, "two", { type: "instance.gone" });
    await client.find(({ data }) => data["message"] === "two");
    expect(client.events).toEqual(
      [...api.log.newest()]
        .reverse()
        .slice(1)
        .map(({ id, event }) => ({
          id: String(id),
          type: event.type,
          data: JSON.parse(JSON.stringify(event)),
        })),
    );
    expect(client.events).toHaveLength(2);
  });

  it("goes on where it ended, by Last-Event-ID or since", async () => {
    await using api = await startApi();
    const first = await openEventStream(api.url);
    emit(api, "one");
    await first.find(({ data }) => data["message"] === "one");
    first[Symbol.dispose]();
    for (const name of ["two", "three"]) emit(api, name);
    using resumed = await openEventStream(api.url, "", { "Last-Event-ID": first.lastId });
    using since = await openEventStream(api.url, `?since=${first.lastId}`, { "Last-Event-ID": "1" });
    using all = await openEventStream(api.url, "?since=0");
    emit(api, "four");
    for (const [client, names] of [
      [resumed, ["two", "three", "four"]],
      [since, ["two", "three", "four"]],
      [all, ["one", "two", "three", "four"]],
    ] as const) {
      await client.find(({ data }) => data["message"] === "four");
      expect(client.events.map(({ data }) => data["message"])).toEqual(names);
    }
  });

  it("says what is not kept any more, and what never was", async () => {
    await using api = await startApi({ capacity: 3 });
    emit(api, "0");
    const first = api.log.lastId;
    for (const name of ["1", "2", "3"]) emit(api, name);
    using whole = await openEventStream(api.url, `?since=${first}`);
    emit(api, "4");
    using client = await openEventStream(api.url, `?since=${first}`);
    using future = await openEventStream(api.url, `?since=${api.log.lastId + 1}`);
    emit(api, "5");
    const names = async (stream: typeof client) => {
      await stream.find(({ data }) => data["message"] === "5");
      return stream.events.map(({ type, data }) => (type === "gap" ? data["after"] : data["message"]));
    };
    expect(await names(whole)).toEqual(["1", "2", "3", "4", "5"]);
    expect(await names(client)).toEqual([first, "2", "3", "4", "5"]);
    expect(await names(future)).toEqual([api.log.lastId, "5"]);
  });

  it("is of what is asked for", async () => {
    await using api = await startApi();
    using ingress = await openEventStream(api.url, "?ingress=shop");
    using byId = await openEventStream(api.url, "?ingress=i-1");
    using instance = await openEventStream(api.url, "?instance=web-1&type=instance.gone,%20target");
    using family = await openEventStream(api.url, "?type=ingress,caddy.died");
    const shop = { ingress: { id: "i-1", name: "shop" } };
    const web = { instance: { name: "web-1" } };
    emit(api, "a", shop);
    emit(api, "b", { ingress: { id: "i-2", name: "other" } });
    emit(api, "c", { type: "instance.gone", ...web });
    emit(api, "d", { type: "instance.moved", ...web });
    emit(api, "e", { type: "target.unhealthy", data: { rules: ["i-1/0"] } });
    emit(api, "f", { type: "caddy.died" });
    emit(api, "g", { type: "ingress.deleted", ...shop, ...web });
    const names = async (stream: typeof ingress, last: string) => {
      await stream.find(({ data }) => data["message"] === last);
      return stream.events.map(({ data }) => data["message"]).join("");
    };
    expect(await names(ingress, "g")).toBe("ag");
    expect(await names(byId, "g")).toBe("aeg");
    expect(await names(instance, "c")).toBe("c");
    expect(await names(family, "g")).toBe("abfg");
  });

  it("says something while nothing happens, and how far it has come", async () => {
    await using api = await startApi({
      limits: { heartbeatMs: 20, idleTimeoutMs: 200, writeTimeoutMs: 100 },
    });
    using client = await openEventStream(api.url, "?type=caddy");
    emit(api, "not wanted");
    await until(() => client.lastId === String(api.log.lastId));
    const beats = () => client.text.split(": heartbeat").length;
    // Several times as long as a connection may be idle.
    await until(() => beats() > 40);
    expect([client.events, client.ended]).toEqual([[], "no"]);
  });

  it("ends with the token, and when Gatewright stops, after what there was to say", async () => {
    const secret = "secret-of-the-events-0123456789";
    await using api = await startApi({ secret });
    const open = (claims: object) =>
      openEventStream(api.url, "", { Authorization: `Bearer ${signToken(secret, { ...claims })}` });
    using short = await open({ exp: Math.floor(Date.now() / 1000) + 4 });
    using long = await open({ exp: Math.floor(Date.now() / 1000) + 3_000_000 });
    await until(() => short.ended === "ended");
    expect(long.ended).toBe("no");
    emit(api, "last");
    api.streams.close();
    await until(() => long.ended === "ended");
    expect(long.events.map(({ data }) => data["message"])).toEqual(["last"]);
    const late = await api.call({
      path: "/events",
      headers: { Authorization: `Bearer ${signToken(secret)}` },
    });
    expect([late.status, late.json()["code"]]).toEqual([503, "shutting_down"]);
  });

  it("is one of a bounded number", async () => {
    await using api = await startApi({ limits: { eventStreams: 2 } });
    const clients = [await openEventStream(api.url), await openEventStream(api.url)];
    const refused = await api.call({ path: "/events" });
    expect([refused.status, refused.json()["code"]]).toEqual([503, "overloaded"]);
    clients[0]?.[Symbol.dispose]();
    await until(async () => {
      const again = await openEventStream(api.url).catch(() => undefined);
      again?.[Symbol.dispose]();
      return again !== undefined;
    });
    clients[1]?.[Symbol.dispose]();
  });
});

describe("a slow reader", () => {
  /** Asks for a stream and reads nothing of it. */
  const openDeaf = (api: TestApi) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      request(`${api.url}/events`, { agent: false }, resolve).on("error", reject).end();
    });

  it("is dropped when it falls out of the log, costs no memory until then, and delays nobody", async () => {
    await using api = await startApi({ capacity: 500 });
    using client = await openEventStream(api.url);
    const deaf = await openDeaf(api);
    // More than the buffers of both kernels take: 40 MB.
    for (let sent = 0; sent < 4_000; sent++) {
      bytesOf(api, String(sent), 10_000);
      if (sent % 100 === 0) await client.find(({ data }) => data["message"] === String(sent));
    }
    await client.find(({ data }) => data["message"] === "3999");
    expect(client.events).toHaveLength(4_000);
    // What it takes now is what was on its way; then the connection ends, short of the last event.
    let taken = "";
    let isCut = false;
    deaf.on("data", (chunk: Buffer) => (taken += chunk.toString()));
    deaf.on("error", () => (isCut = true));
    await until(() => isCut);
    expect(["0", "3999"].map((name) => taken.includes(`"message":"${name}"`))).toEqual([true, false]);
  });
});

it("a reader that takes nothing is cut, and makes room for another", async () => {
  await using api = await startApi({ limits: { eventStreams: 1, writeTimeoutMs: 200 } });
  await new Promise<IncomingMessage>((resolve, reject) => {
    request(`${api.url}/events`, { agent: false }, resolve).on("error", reject).end();
  });
  expect((await api.call({ path: "/events" })).status).toBe(503);
  // More than the buffers of both kernels take.
  for (let sent = 0; sent < 3_000; sent++) bytesOf(api, String(sent), 10_000);
  await until(async () => {
    const other = await openEventStream(api.url).catch(() => undefined);
    other?.[Symbol.dispose]();
    return other !== undefined;
  });
});

describe("a list", () => {
  const api = use(() => startApi());
  const list = async (query: string, headers: { readonly [name: string]: string } = {}) => {
    const reply = await api.call({ path: `/events${query}`, headers });
    expect(reply.headers["content-type"]).toBe("application/json");
    return reply.json<readonly Event[]>();
  };

  it("has the newest events first, by follow or Accept", async () => {
    for (let sent = 0; sent < 150; sent++)
      emit(api, String(sent), sent % 2 === 0 ? {} : { type: "caddy.died" });
    const all = await list("?follow=false&limit=10000");
    expect(all.map(({ message }) => message)).toEqual(
      Array.from({ length: 150 }, (_, index) => String(149 - index)),
    );
    expect(await list("", { Accept: "application/json" })).toEqual(all.slice(0, 100));
    expect(await list("?limit=3&type=caddy&follow=false", { Accept: "text/event-stream" })).toEqual(
      all.filter(({ type }) => type === "caddy.died").slice(0, 3),
    );
    expect(await list(`?since=${all[5]?.id}&follow=false`)).toEqual(all.slice(0, 5));
    for (const event of all) expect(event.actor).toEqual(actor);
  });

  it("and a stream answer HEAD with their headers alone", async () => {
    for (const [query, type] of [
      ["?follow=false", "application/json"],
      ["", "text/event-stream"],
    ] as const) {
      const reply = await api.call({ method: "HEAD", path: `/events${query}` });
      expect([reply.status, reply.headers["content-type"], reply.text]).toEqual([200, type, ""]);
    }
  });

  it.each([
    "?type=nonsense",
    "?type=ingress.",
    "?type=",
    "?since=yesterday",
    "?since=99999999999999999",
    "?limit=0&follow=false",
    "?limit=10001&follow=false",
    "?limit=5",
    "?follow=no",
    "?name=x",
  ])("refuses %s", async (query) => {
    expect((await api.call({ path: `/events${query}` })).status).toBe(400);
  });

  it("refuses a Last-Event-ID that is none", async () => {
    const reply = await api.call({ path: "/events", headers: { "Last-Event-ID": "x" } });
    expect([reply.status, reply.json()["message"]]).toEqual([400, expect.stringContaining("Last-Event-ID")]);
  });
});
