import { expect, it } from "vitest";
import type { Certificate, Event, Explanation, Instance, ServerStatus } from "../../src/model/api.ts";
import { openEventStream } from "../support/event-stream.ts";
import {
  bearer,
  document,
  type Headers,
  red,
  root,
  startTwoTeams,
  type TwoTeams,
} from "../support/two-teams.ts";

async function get<T>({ api }: TwoTeams, path: string, headers: Headers = red, json?: object): Promise<T> {
  const body = json === undefined ? {} : { json, method: "POST" };
  const reply = await api.call({ path, headers, ...body });
  expect(reply.status, reply.text).toBe(200);
  return reply.json<T>();
}

const typesOf = (events: readonly Event[]): readonly string[] => events.map(({ type }) => type).reverse();

it("events are those of one's ingresses, and of what these take", async () => {
  await using own = await startTwoTeams();
  const { api } = own;
  await api.call({ method: "DELETE", path: "/ingresses/nobody", headers: red });
  const events = await get<readonly Event[]>(own, "/events?follow=false&since=0");
  expect(typesOf(events)).toEqual([
    "instance.appeared",
    "certificate.imported",
    "ingress.created",
    "ingress.changed",
    "instance.moved",
    "ingress.refused",
  ]);
  const [, moved, changed, created, imported] = events;
  expect(moved?.instance).toMatchObject({ name: "red" });
  expect(imported?.data?.["names"]).toEqual(["a.red.test"]);
  // Somebody else made this change: who that is, and neither from where nor why.
  expect([changed?.actor, changed?.change_message]).toEqual([{ subject: "root", via: "api" }, undefined]);
  expect(created?.actor).toMatchObject({ subject: "red", token_id: "r1", address: "127.0.0.1" });
  expect(created?.ingress).toMatchObject({ name: "red", owner: "red" });
  // The same subject by another token was told things that this one is not.
  const other = bearer({ sub: "red", jti: "r2", limits: {} });
  const theirs = await get<readonly Event[]>(own, "/events?follow=false&since=0", other);
  expect(typesOf(theirs)).not.toContain("ingress.refused");
  expect(await get(own, "/events?follow=false&since=0&type=ingress.changed&ingress=red")).toHaveLength(1);
  expect(await get(own, "/events?follow=false&since=0&limit=2")).toHaveLength(2);
});

it("a stream of events follows what becomes one's own, and says nothing of others", async () => {
  await using own = await startTwoTeams();
  const { api } = own;
  using stream = await openEventStream(api.url, "", red);
  const send = (headers: Headers, method: string, path: string, json: object) =>
    api.call({ method, path, headers, json });
  await send(root, "PUT", "/instances/later", { id: "later-instance", network: { ip: "10.0.0.4" } });
  await send(root, "POST", "/ingresses", document("blue-2", "d.blue.test"));
  await send(root, "PUT", "/instances/blue", { id: "blue-instance", network: { ip: "10.0.0.5" } });
  const later = {
    name: "red-2",
    rules: [{ match: { hostname: "c.red.test" }, target: { instance: "later", port: 80 } }],
  };
  expect((await send(red, "POST", "/ingresses", later)).status).toBe(201);
  await stream.find(({ type }) => type === "ingress.created");
  await send(root, "PUT", "/instances/later", { id: "later-instance", network: { ip: "10.0.0.6" } });
  await stream.find(({ type }) => type === "instance.moved");
  await api.call({ method: "DELETE", path: "/ingresses/red-2", headers: root });
  await stream.find(({ type }) => type === "ingress.deleted");
  expect(stream.events.map(({ type }) => type)).toEqual([
    "ingress.created",
    "instance.moved",
    "ingress.deleted",
  ]);
  expect(stream.text).not.toContain("blue");
});

it("certificates are those that one's rules take, with one's own names and uses", async () => {
  await using own = await startTwoTeams();
  const [one, second] = await get<readonly Certificate[]>(own, "/certificates");
  expect(one).toMatchObject({ name: "red", names: ["a.red.test"], used_by: 1 });
  expect(second).toBeUndefined();
  for (const reference of [one?.id, "red"]) expect(await get(own, `/certificates/${reference}`)).toEqual(one);
  const all = await get<readonly Certificate[]>(own, "/certificates", root);
  expect(all.map(({ names }) => names).sort()).toEqual([["a.blue.test"], ["a.red.test", "c.blue.test"]]);
});

it("instances are those that one's rules lead to, and those of the limits", async () => {
  await using own = await startTwoTeams();
  const namesFor = async (headers: Headers): Promise<readonly string[]> =>
    (await get<readonly Instance[]>(own, "/instances", headers)).map(({ name }) => name);
  expect(await namesFor(red)).toEqual(["red"]);
  for (const reference of ["red", "red-instance", "red-i"])
    expect((await get<Instance>(own, `/instances/${reference}`)).name).toBe("red");
  expect(await get(own, "/instances/red/traffic")).toMatchObject({ mode: "active" });
  expect(await namesFor(bearer({ sub: "green", limits: {} }))).toEqual([]);
  expect(await namesFor(bearer({ sub: "green", limits: { instances: ["blue", "nobody"] } }))).toEqual([
    "blue",
  ]);
  expect(await namesFor(root)).toEqual(["blue", "red"]);
});

it("the status is that of what is one's own", async () => {
  await using own = await startTwoTeams();
  const { uptime_seconds, version, ...status } = await get<ServerStatus>(own, "/status");
  expect(status).toEqual({
    status: "ok",
    ingresses: 1,
    certificates: { ready: 1, pending: 0, failed: 0, expired: 0, idle: 0, expiring: 0 },
    draining: [],
    problems: [],
  });
});

it("an explanation tells of one's own rules, and that another is another subject's", async () => {
  await using own = await startTwoTeams();
  const explain = (url: string): Promise<Explanation> => get(own, "/explain", red, { url });
  expect(await explain("https://a.red.test/")).toMatchObject({
    outcome: "instance",
    ingress: { name: "red", rule: 0 },
    considered: [],
    tls: { certificate: { names: ["a.red.test"] } },
  });
  expect(await explain("https://a.blue.test/")).toEqual({
    outcome: "another_subject",
    reason: "another_subject",
    message: "A rule of another subject takes it.",
    considered: [],
    policies: [],
    differences: [],
    conditions: [],
  });
  // What others' rules lack is not told, nor how many they are.
  const { message, nearest_hostnames, ...rest } = await explain("http://b.red.test/");
  expect(message).toBe("No rule of yours on port 80 has the hostname b.red.test.");
  expect(nearest_hostnames).toEqual(["a.red.test"]);
  expect(rest).toMatchObject({ reason: "host", considered: [] });
  expect(rest).not.toHaveProperty("considered_more");
});

it("what runs of an ingress is told of one's own", async () => {
  await using own = await startTwoTeams();
  const id = [...own.api.manager.list()].find(({ name }) => name === "red")?.id;
  expect(await get(own, "/config?ingress=red")).toEqual({
    versions: {},
    rows: [{ id: `${id}/0` }],
    policy_sets: {},
  });
});
