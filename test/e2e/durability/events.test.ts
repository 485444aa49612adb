import { once } from "node:events";
import { copyFile, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Event, EventType } from "../../../src/model/api.ts";
import { askCaddy, call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { openEventStream } from "../../support/event-stream.ts";
import { freePort } from "../../support/free-port.ts";
import { startMoody } from "../../support/moody-backend.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const backend = use(() => startBackend());
const folder = use(() => temporaryFolder());
const site = useGatewright({ ACME_EMAIL: "", GATEWAY_NAME: "edge" }, ["web-1"]);

const list = async (query: string): Promise<readonly Event[]> =>
  (await call<Event[]>(`${site.url}/events?follow=false&limit=10000&${query}`)).body;
const lastId = async (): Promise<number> => (await list("since=0"))[0]?.id ?? 0;

/** Runs a step and waits for an event of each of these types that comes of it; the first of each. */
async function provoke(run: () => Promise<unknown>, ...types: EventType[]): Promise<readonly Event[]> {
  const before = await lastId();
  await run();
  const found = async () => {
    const events = (await list(`since=${before}`)).toReversed();
    return types.map((type) => events.find((event) => event.type === type));
  };
  await until(async () => (await found()).every((event) => event !== undefined));
  return (await found()) as readonly Event[];
}

const isWell = () => until(async () => (await call(`${site.url}/ready`)).status === 200);

it("a start tells the settings, and which of them changed since the last one, without their secrets", async () => {
  const [first] = await list("type=gateway");
  expect(first).toMatchObject({
    type: "gateway.started",
    data: { settings: { GATEWAY_NAME: "edge", HTTP_PORT: String(site.ports.http) }, changed: [] },
  });
  const hidden = "HIDDEN-secret-of-a-setting-0123456789";
  const [stopped, started] = await provoke(
    async () => {
      await site.stop();
      await site.start({ environment: { GATEWAY_NAME: "", DRIFT: "report", CLOUDFLARE_API_TOKEN: hidden } });
    },
    "gateway.stopping",
    "gateway.started",
  );
  expect(stopped?.id).toBeLessThan(started?.id ?? 0);
  expect(started?.data?.["changed"]).toEqual([
    { name: "CLOUDFLARE_API_TOKEN", now: "(secret)" },
    { name: "DRIFT", now: "report" },
    { name: "GATEWAY_NAME", before: "edge" },
  ]);
  await site.stop();
  await site.start();
  for (const name of ["events.log", "settings.json"])
    expect(await readFile(join(site.dataDir, "events", name), "utf8")).not.toContain(hidden);
  expect(site.output()).not.toContain(hidden);
});

it("ingresses that are created, changed, deleted and refused, served or not", async () => {
  using shop = await openEventStream(site.url, "?ingress=shop");
  await site.make("shop", rule("shop.test", "web-1", backend.port));
  await call(`${site.url}/ingresses/shop`, {
    method: "PATCH",
    body: { gateways: ["elsewhere"] },
    headers: { "X-Change-Message": "it moves" },
  });
  await site.create("shop", rule("other.test", "web-1", backend.port));
  await call(`${site.url}/ingresses/shop`, { method: "DELETE" });
  await shop.find(({ type }) => type === "ingress.deleted");
  expect(shop.events.map(({ type, data }) => ({ type, ...data }))).toMatchObject([
    { type: "ingress.created", actor: { subject: "anonymous" }, data: { programmed: true } },
    {
      type: "ingress.changed",
      change_message: "it moves",
      data: { programmed: false, reason: "OtherGateway" },
    },
    { type: "ingress.refused", data: { code: "already_exists" } },
    { type: "ingress.deleted" },
  ]);
  expect(site.output()).toMatch(
    /"message":"ingress shop was changed".*"subject":"anonymous".*"change_message":"it moves"/,
  );
});

it("instances that appear, move, are drained and go", async () => {
  using vm = await openEventStream(site.url, "?instance=vm-7");
  await site.put("vm-7", "127.0.0.7");
  await site.put("vm-7", "127.0.0.8");
  await call(`${site.url}/instances/vm-7/traffic`, { method: "PUT", body: { mode: "drain" } });
  await call(`${site.url}/instances/vm-7`, { method: "DELETE" });
  await vm.find(({ type }) => type === "instance.gone");
  expect(vm.events.map(({ type }) => type)).toEqual([
    "instance.appeared",
    "instance.moved",
    "instance.traffic",
    "instance.gone",
  ]);
});

it("a target that fails its checks, and passes again", async () => {
  await using moody = await startMoody("moody");
  await site.put("moody-1", moody.address);
  const policies = { health_check: { active: { path: "/healthz", interval: "100ms", timeout: "1s" } } };
  const { id } = await site.make("moody", rule("moody.test", "moody-1", moody.port, {}, { policies }));
  const address = `${moody.address}:${moody.port}`;
  const [failed] = await provoke(async () => (moody.status = 500), "target.unhealthy");
  expect(failed?.data).toEqual({ address, rules: [`${id}/0`], reason: "status 500" });
  const [passed] = await provoke(async () => (moody.status = 200), "target.healthy");
  expect(passed?.data).toEqual({ address, rules: [`${id}/0`] });
  expect((await list(`ingress=${id}`)).map(({ type }) => type)).toEqual([
    "target.healthy",
    "target.unhealthy",
    "ingress.created",
  ]);
});

it("a Caddy that dies, hangs, and is started", async () => {
  const kill = async () => {
    const pid = await site.caddyPid();
    const [died, started] = await provoke(
      async () => process.kill(pid, "SIGKILL"),
      "caddy.died",
      "caddy.started",
    );
    await isWell();
    expect(started?.data).toEqual({ pid: await site.caddyPid(), adopted: false });
    return { pid, died: died?.data };
  };
  // One that was found at the start, of whose end nobody is told; then a child of this manager.
  const adopted = await kill();
  expect(adopted.died).toEqual({ pid: adopted.pid, uptime_ms: expect.any(Number) });
  const child = await kill();
  expect(child.died).toMatchObject({ pid: child.pid, signal: "SIGKILL" });
  const next = await site.caddyPid();
  await provoke(async () => process.kill(next, "SIGSTOP"), "caddy.silent");
  await provoke(async () => process.kill(next, "SIGCONT"), "caddy.answering");
  await isWell();
});

it("a Caddy that is taken over by a newer one", async () => {
  const before = await site.caddyPid();
  const binary = join(folder.path, "newer");
  await copyFile(await builtCaddy(), binary);
  const [upgraded] = await provoke(
    async () => {
      await site.stop();
      await site.start({ environment: { CADDY_BIN: binary } });
    },
    "caddy.upgraded",
    "caddy.programmed",
  );
  expect(upgraded?.data).toEqual({ pid: await site.caddyPid(), before });
});

it("drift that is found and mended, and what Caddy does not take", async () => {
  const admin = `http://127.0.0.1:${site.ports.admin}`;
  const own = (await askCaddy<{ admin: object }>(site.ports.admin, "/config/")).body;
  const [found] = await provoke(
    () => call(`${admin}/load`, { body: { admin: own.admin }, headers: { origin: admin } }),
    "drift.found",
    "drift.mended",
  );
  expect(found?.data).toEqual({ reason: "another configuration was loaded", policy: "repair" });
});

it("ports that are lost and regained", async () => {
  const port = await freePort();
  await site.make("port", rule("port.test", "web-1", backend.port, { port }));
  const other = createServer();
  const [lost] = await provoke(async () => {
    await site.stop();
    const pid = await site.caddyPid();
    process.kill(pid, "SIGKILL");
    await until(() => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
    other.listen(port, "127.0.0.1");
    await once(other, "listening");
    await site.start();
  }, "port.lost");
  expect(lost?.data).toMatchObject({ port, code: "port_in_use" });
  const [regained] = await provoke(async () => void other.close(), "port.regained");
  expect(regained?.data).toEqual({ port });
});

it("events and their ids survive an orderly end and a kill, and a stream goes on behind them", async () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const client = await openEventStream(site.url, "?since=0");
    const name = `kept-by-${signal.toLowerCase()}`;
    await site.make(name, rule(`${name}.test`, "web-1", backend.port));
    await client.find(({ data }) => data["message"] === `ingress ${name} was created`);
    // It is written within some milliseconds.
    await until(async () => (await readFile(join(site.dataDir, "events/events.log"), "utf8")).includes(name));
    await site.stop(signal);
    await until(() => client.ended !== "no");
    expect([signal, client.ended]).toEqual([signal, signal === "SIGTERM" ? "ended" : "cut"]);
    expect(client.events.at(-1)?.type === "gateway.stopping").toBe(signal === "SIGTERM");
    await site.start();
    using resumed = await openEventStream(site.url, "", { "Last-Event-ID": client.lastId });
    await resumed.find(({ type }) => type === "gateway.started");
    const ids = [...client.events, ...resumed.events].map(({ id }) => Number(id));
    expect(ids).toEqual([...new Set(ids)].sort((one, other) => one - other));
    expect(resumed.events.some(({ type }) => type === "gap")).toBe(false);
    // All that was read before is there still.
    const kept = new Set((await list("since=0")).map(({ id }) => id));
    expect(ids.filter((id) => !kept.has(id))).toEqual([]);
  }
}, 120_000);
