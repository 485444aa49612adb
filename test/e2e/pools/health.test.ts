import { createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import type { HealthCheckPolicy, IngressRuleInput } from "../../../src/model/api.ts";
import { askCaddy, call, rule, visit } from "../../support/api.ts";
import { freePort } from "../../support/free-port.ts";
import { startMoody } from "../../support/moody-backend.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright();
const one = use(() => startMoody("one"));
const two = use(() => startMoody("two", one.port));
/** Becomes unhealthy while Gatewright is away, so that requests show when Caddy is told what was found since. */
const witness = use(() => startMoody("witness"));

beforeAll(async () => {
  for (const [name, { address }] of Object.entries({ one, two }))
    await gatewright.put(name, address, { service: "moody" });
});

let count = 0;

async function serve(rule: Partial<IngressRuleInput>): Promise<{ host: string; name: string }> {
  const name = `health-${++count}`;
  const rules = [{ match: { hostname: `${name}.example.com` }, ...rule }] as readonly IngressRuleInput[];
  await gatewright.make(name, ...rules);
  return { host: `${name}.example.com`, name };
}

const checked = (active: HealthCheckPolicy["active"] = {}) => ({
  policies: { health_check: { active: { path: "/healthz", interval: "100ms", timeout: "1s", ...active } } },
});

async function reached(host: string, requests = 6): Promise<string> {
  const answers = new Set<string>();
  for (let index = 0; index < requests; index += 1) {
    const { status, body } = await gatewright.visit<{ backend: string }>(host);
    answers.add(status === 200 ? body.backend : String(status));
  }
  return [...answers].sort().join(" ");
}

const healthOf = async (name: string) =>
  (await gatewright.statusOf(name)).rules[0]?.targets
    .flatMap(({ addresses }) => addresses.map(({ health }) => health))
    .join(" ");

const runningConfig = async (): Promise<string> =>
  (await askCaddy<{ config: string }>(gatewright.ports.admin, "/gatewright/state")).body.config;

describe("active checks", () => {
  it("take an unhealthy instance out of the rule's pool, and only of it, without a reload, and bring it back", async () => {
    const { host, name } = await serve({ target: { service: "moody", port: one.port }, ...checked() });
    const unchecked = await serve({ target: { service: "moody", port: one.port } });
    await until(async () => (await healthOf(name)) === "healthy healthy");
    expect(await reached(host)).toBe("one two");
    const config = await runningConfig();
    one.status = 500;
    await until(async () => (await healthOf(name)) === "unhealthy healthy");
    await until(async () => (await reached(host)) === "two");
    expect(await reached(unchecked.host)).toBe("one two");
    const [address] = (await gatewright.statusOf(name)).rules[0]?.targets[0]?.addresses ?? [];
    expect(address).toMatchObject({
      address: `${one.address}:${one.port}`,
      health: "unhealthy",
      message: "status 500",
    });

    two.status = 500;
    await until(async () => (await reached(host)) === "503");
    const answer = await gatewright.visit(host);
    expect([answer.status, Number(answer.headers["retry-after"])]).toEqual([503, 1]);
    const conditions = (await gatewright.statusOf(name)).conditions;
    expect(conditions.find(({ type }) => type === "TargetsResolved")).toMatchObject({
      status: "False",
      reason: "AllUnhealthy",
    });

    one.status = 204;
    two.status = 200;
    await until(async () => (await reached(host)) === "one two");
    expect(await runningConfig()).toBe(config);
  });

  it("expect the status that is asked for", async () => {
    const { name } = await serve({
      target: { instance: "one", port: one.port },
      ...checked({ status: 418 }),
    });
    await until(async () => (await healthOf(name)) === "unhealthy");
    one.status = 418;
    await until(async () => (await healthOf(name)) === "healthy");
    one.status = 200;
  });

  it("are one for rules that ask for the same, and end with the last of them", async () => {
    const rule = { target: { instance: "two", port: two.port }, ...checked({ path: "/healthz?shared" }) };
    const first = await serve(rule);
    const second = await serve(rule);
    await until(async () => (await healthOf(second.name)) === "healthy");
    await call(`${gatewright.url}/ingresses/${first.name}`, { method: "DELETE" });
    two.status = 500;
    await until(async () => (await healthOf(second.name)) === "unhealthy");
    two.status = 200;
    await until(async () => (await healthOf(second.name)) === "healthy");
  });

  it("hold after a restart of Caddy and of the manager", async () => {
    const { host, name } = await serve({
      target: { service: "moody", port: one.port },
      ...checked({ interval: "200ms" }),
    });
    one.status = 500;
    await until(async () => (await healthOf(name)) === "unhealthy healthy");
    process.kill(await gatewright.caddyPid(), "SIGKILL");
    await until(async () => (await gatewright.visit(host).catch(() => undefined))?.status === 200);
    await until(async () => (await reached(host)) === "two");
    await gatewright.stop();
    expect(await reached(host)).toBe("two");
    await gatewright.start();
    for (let round = 0; round < 5; round += 1) expect(await reached(host)).toBe("two");
    one.status = 200;
    await until(async () => (await reached(host)) === "one two");
  });

  it("never ask our own listeners", async () => {
    await gatewright.put("sly", "127.0.0.1");
    const { name } = await serve({
      target: { instance: "sly", port: await freePort() },
      ...checked({ path: "/config/", port: gatewright.ports.admin }),
    });
    await until(async () => (await healthOf(name)) === "unhealthy");
    const [address] = (await gatewright.statusOf(name)).rules[0]?.targets[0]?.addresses ?? [];
    expect(address?.message).toContain("listener of Gatewright itself");
  });

  it("C8: leave an unhealthy instance out after a restart of Gatewright until it was checked", async () => {
    one.status = 500;
    two.status = 200;
    await gatewright.put("witness", witness.address);
    const told = await serve({ target: { instance: "witness", port: witness.port }, ...checked() });
    const { host, name } = await serve({
      target: { service: "moody", port: one.port },
      ...checked({ timeout: "12s" }),
    });
    await until(async () => (await healthOf(told.name)) === "healthy");
    await until(async () => (await healthOf(name)) === "unhealthy healthy");
    await until(async () => (await reached(host)) === "two");
    await gatewright.stop();
    one.status = 0;
    witness.status = 500;
    await gatewright.start();
    await until(async () => (await healthOf(name)) === "unknown healthy");
    // What is not known by the time at which Caddy is told of the first round does not count as healthy.
    await until(async () => {
      expect(await reached(host)).toBe("two");
      return (await reached(told.host, 1)) === "503";
    });
    expect(await reached(host)).toBe("two");
    one.status = 200;
    await until(async () => (await reached(host)) === "one two");
  });
});

it("C8: no address takes requests before its first check when Caddy and Gatewright are both new, as after a reboot", async () => {
  for (const backend of [one, two, witness]) backend.status = 200;
  await gatewright.put("witness", witness.address);
  const pool = await serve({ target: { service: "moody", port: one.port }, ...checked({ timeout: "20s" }) });
  const single = await serve({ target: { instance: "witness", port: witness.port }, ...checked() });
  await until(async () => (await healthOf(pool.name)) === "healthy healthy");
  await until(async () => (await healthOf(single.name)) === "healthy");
  const caddy = await gatewright.caddyPid();
  await gatewright.stop();
  process.kill(caddy, "SIGKILL");
  // Its check gets no answer, and so the first round of checks comes to no end for long.
  one.status = 0;
  witness.status = 500;
  const before = [one, witness].map((backend) => backend.requests());
  const ended = new AbortController();
  const visitors = [pool, single].map(async ({ host }) => {
    while (!ended.signal.aborted) await gatewright.visit(host).catch(() => setTimeout(10));
  });
  await gatewright.start();
  const served = two.requests();
  await until(() => two.requests() > served + 100);
  ended.abort();
  await Promise.all(visitors);
  expect([one, witness].map((backend) => backend.requests())).toEqual(before);
  expect(await healthOf(pool.name)).toBe("unknown healthy");
  expect((await gatewright.visit(single.host)).status).toBe(503);
  for (const backend of [one, witness]) backend.status = 200;
});

it("C8: nor do connections of layer 4 reach an unhealthy address when Gatewright, or Caddy too, is new", async () => {
  for (const backend of [one, two]) backend.status = 200;
  const [port, checkedPort] = [await freePort(), await freePort()];
  const doors = [one, two].map(({ address }) => createServer().listen(checkedPort, address));
  await gatewright.make("doors", {
    match: { protocol: "tcp", port },
    target: { service: "moody", port: one.port },
    policies: { health_check: { active: { port: checkedPort, interval: "100ms", timeout: "20s" } } },
  });
  // As long as its check gets no answer the first round of checks is not over.
  const silent = await serve({ target: { instance: "one", port: one.port }, ...checked({ timeout: "20s" }) });
  await until(async () => (await healthOf("doors")) === "healthy healthy");
  await until(async () => (await healthOf(silent.name)) === "healthy");
  doors[0]?.close();
  await until(async () => (await healthOf("doors")) === "unhealthy healthy");
  const connect = () => visit(port, "doors.test").catch(() => setTimeout(10));
  await until(async () => {
    const before = one.requests();
    for (let count = 0; count < 10; count += 1) await connect();
    return one.requests() === before;
  });
  one.status = 0;
  const before = one.requests();
  for (const isCaddyNew of [false, true]) {
    const caddy = await gatewright.caddyPid();
    await gatewright.stop();
    if (isCaddyNew) process.kill(caddy, "SIGKILL");
    const ended = new AbortController();
    const clients = [1, 2].map(async () => {
      while (!ended.signal.aborted) await connect();
    });
    await gatewright.start();
    const served = two.requests();
    await until(() => two.requests() > served + 30);
    ended.abort();
    await Promise.all(clients);
    expect([isCaddyNew, one.requests()]).toEqual([isCaddyNew, before]);
  }
  one.status = 200;
  doors[0]?.listen(checkedPort, one.address);
  await until(async () => {
    await connect();
    return one.requests() > before;
  });
  for (const door of doors) door.close();
});

describe("passive checks", () => {
  it("leave an address out for a while after failed requests, through a reload", async () => {
    const dead = await freePort();
    await gatewright.put("dead", "127.0.0.1");
    const { host } = await serve({
      targets: [
        { instance: "dead", port: dead },
        { instance: "one", port: one.port },
      ],
      policies: {
        load_balancing: { retries: 0 },
        health_check: { passive: { max_fails: 2, fail_duration: "60s" } },
      },
    });
    const statuses: number[] = [];
    for (let request = 0; request < 10; request += 1) statuses.push((await gatewright.visit(host)).status);
    expect(statuses.filter((status) => status === 502)).toHaveLength(2);
    await gatewright.make("port", rule("port.test", "one", one.port, { port: await freePort() }));
    expect(await reached(host)).toBe("one");
  });

  it("answer 503 and when to come back when nothing is left", async () => {
    await gatewright.put("dead", "127.0.0.1");
    const { host } = await serve({
      target: { instance: "dead", port: await freePort() },
      policies: { health_check: { passive: { max_fails: 1, fail_duration: "20s" } } },
    });
    expect((await gatewright.visit(host)).status).toBe(502);
    const answer = await gatewright.visit(host);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(15);
  });

  it("end after their time", async () => {
    const back = await startMoody("back");
    await gatewright.put("back", back.address);
    await back[Symbol.asyncDispose]();
    const { host } = await serve({
      target: { instance: "back", port: back.port },
      policies: { health_check: { passive: { fail_duration: "3s" } } },
    });
    expect((await gatewright.visit(host)).status).toBe(502);
    expect((await gatewright.visit(host)).status).toBe(503);
    await until(async () => (await gatewright.visit(host)).status === 502);
  });
});
