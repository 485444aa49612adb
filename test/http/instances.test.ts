import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Instance } from "../../src/model/api.ts";
import { undocumented } from "../contract/documented.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import type { HttpCall, HttpReply } from "../support/http-call.ts";
import { instanceFrom } from "../support/instances.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi({
    instances: [
      instanceFrom({ id: "abc1", name: "web-1", ip: "10.0.0.1" }),
      instanceFrom({ id: "abc2", name: "web-2", ip: null, state: "Stopped" }),
    ],
  });
});
afterAll(() => api[Symbol.asyncDispose]());

async function call(request: HttpCall): Promise<HttpReply> {
  const reply = await api.call(request);
  expect(undocumented(request.method ?? "GET", request.path, reply)).toBeUndefined();
  return reply;
}

describe("instances", () => {
  it("lists all, by state, and by tags", async () => {
    const names = async (query: string): Promise<string[]> =>
      (await call({ path: `/instances${query}` })).json<readonly Instance[]>().map(({ name }) => name);
    expect(await names("")).toEqual(["web-1", "web-2"]);
    expect(await names("?state=Stopped")).toEqual(["web-2"]);
    await call({
      method: "PUT",
      path: "/instances/tagged",
      json: { network: { ip: "10.0.0.9" }, tags: { a: "b" } },
    });
    expect(await names("?tags[a]=b")).toEqual(["tagged"]);
    const asleep = await call({ path: "/instances?state=Asleep" });
    expect([asleep.status, asleep.json()["message"]]).toEqual([
      400,
      expect.stringMatching(/"state" in query has an error: value is not one of .*"Running"/),
    ]);
  });

  it.each([
    ["abc1", 200],
    ["web-2", 200],
    ["abc", 409],
    ["web", 404],
    ["nobody", 404],
  ])("looks up %s", async (reference, status) => {
    expect((await call({ path: `/instances/${reference}` })).status).toBe(status);
  });

  it("creates with 201 and Location, replaces with 200, takes what GET answered, deletes with 204", async () => {
    const path = "/instances/new-1";
    const created = await call({
      method: "PUT",
      path,
      json: { network: { ip: "10.1.0.1" }, service: "web" },
    });
    const instance = created.json<Instance>();
    expect([created.status, created.headers.location]).toEqual([201, `/instances/${instance.id}`]);
    expect(instance).toMatchObject({
      name: "new-1",
      state: "Running",
      network: { ip: "10.1.0.1", enabled: true },
    });
    const got = (await call({ path })).json<Instance>();
    const replaced = await call({ method: "PUT", path, json: { ...got, state: "Standby" } });
    expect([replaced.status, replaced.json()["state"], replaced.json()["id"]]).toEqual([
      200,
      "Standby",
      instance.id,
    ]);
    expect((await call({ method: "DELETE", path: `/instances/${instance.id}` })).status).toBe(204);
    expect((await call({ method: "DELETE", path })).status).toBe(404);
  });

  it.each([
    ["a wrong address", "new-2", { network: { ip: "300.1.1.1" } }, "network.ip"],
    ["another name", "new-2", { name: "other", network: { ip: null } }, "name"],
    ["no network", "new-2", {}, "network"],
    ["an unknown state", "new-2", { state: "Asleep", network: { ip: null } }, "state"],
    ["a name that DNS does not take", "new_2", { network: { ip: null } }, "name"],
  ])("refuses %s", async (_name, name, json, field) => {
    const reply = await call({ method: "PUT", path: `/instances/${name}`, json });
    expect([reply.status, reply.json<{ details: { field: string }[] }>().details[0]?.field]).toEqual([
      400,
      field,
    ]);
    expect((await call({ path: "/instances/new-2" })).status).toBe(404);
  });

  it("refuses writes when instances come from elsewhere", async () => {
    await using other = await startApi({
      readOnlyInstances: true,
      instances: [instanceFrom({ name: "web-1" })],
    });
    expect((await other.call({ path: "/instances/web-1" })).status).toBe(200);
    const put = await other.call({
      method: "PUT",
      path: "/instances/web-1",
      json: { network: { ip: null } },
    });
    const deleted = await other.call({ method: "DELETE", path: "/instances/web-1" });
    for (const reply of [put, deleted])
      expect([reply.status, reply.json()]).toEqual([
        409,
        {
          code: "source_read_only",
          message: "instances come from another source (INSTANCE_SOURCE) and cannot be written here",
        },
      ]);
  });
});
