import { expect, it } from "vitest";
import { InstanceModes, type TrafficDocument } from "../../src/targets/instance-modes.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { use } from "../support/use.ts";

const since = "2026-01-01T00:00:00Z";
const api = use(async () => {
  const store = new MemoryStore<TrafficDocument>([{ id: "gone", mode: "drain", since }]);
  const traffic = new InstanceModes({ store, logger: recordingLogger() });
  await traffic.start();
  const instances = ["VM-1", "vm-2", "vm-3"].map((name) => instanceFrom({ name }));
  return startApi({ instances, traffic });
});

const put = (reference: string, json: object) =>
  api.call({ method: "PUT", path: `/instances/${reference}/traffic`, json });
const get = async (reference: string) =>
  (await api.call({ path: `/instances/${reference}/traffic` })).json<object>();

it("is active, unless an instance is drained or paused, by whatever name it is found", async () => {
  expect(await get("vm-1")).toEqual({ mode: "active" });
  const paused = await put("id-vm-1", { mode: "pause", pause_timeout: "10m" });
  expect([paused.status, paused.json()]).toEqual([
    200,
    { mode: "pause", pause_timeout: "10m", since: expect.any(String) },
  ]);
  expect(await get("VM-1")).toEqual(paused.json());
  expect((await put("vm-1", { mode: "active" })).json()).toEqual({ mode: "active" });
  expect(await get("id-vm-1")).toEqual({ mode: "active" });
});

it("can be asked and ended of an instance that is gone", async () => {
  expect(await get("gone")).toEqual({ mode: "drain", since });
  expect((await put("gone", { mode: "active" })).status).toBe(200);
  expect((await put("gone", { mode: "drain" })).status).toBe(404);
});

it.each([
  ["nobody", 404, "not_found"],
  ["id-vm", 409, "ambiguous"],
])("of %s is answered with %i", async (reference, status, code) => {
  for (const reply of [
    await api.call({ path: `/instances/${reference}/traffic` }),
    await put(reference, { mode: "drain" }),
  ])
    expect([reply.status, reply.json()["code"]]).toEqual([status, code]);
});

it.each([
  [{ mode: "drain", pause_timeout: "1s" }, 'pause_timeout needs mode "pause"'],
  [{ mode: "pause", pause_timeout: "10m1s" }, "pause_timeout must be a time such as 10s or 1m, at most 10m"],
  [{ mode: "pause", pause_timeout: "soon" }, "pause_timeout must be a time such as 10s or 1m, at most 10m"],
])("refuses %j", async (json, message) => {
  const reply = await put("vm-2", json);
  expect([reply.status, reply.json()]).toEqual([
    400,
    {
      code: "bad_request",
      message: `invalid request: ${message}`,
      details: [{ code: "invalid_value", field: "pause_timeout", message }],
    },
  ]);
  expect(await get("vm-2")).toEqual({ mode: "active" });
});

it("is always active where nothing can be drained", async () => {
  await using other = await startApi({ instances: [instanceFrom({ name: "vm" })] });
  const path = "/instances/vm/traffic";
  expect((await other.call({ path })).json()).toEqual({ mode: "active" });
  const reply = await other.call({ method: "PUT", path, json: { mode: "drain" } });
  expect([reply.status, reply.json()["message"]]).toEqual([500, "failed to set the traffic of the instance"]);
});
