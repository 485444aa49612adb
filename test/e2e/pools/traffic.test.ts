import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { IngressRuleInput, IngressStatus } from "../../../src/model/api.ts";
import { type Answer, askCaddy, call, rule } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { startFleet } from "../../support/fleet.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright();
const fleet = use(() => startFleet(gatewright.url, ["one", "two"]));

let count = 0;

interface Served {
  readonly host: string;
  readonly url: string;
}

async function serve(rule: Partial<IngressRuleInput>): Promise<Served> {
  const name = `traffic-${++count}`;
  const rules = [{ match: { hostname: `${name}.example.com` }, ...rule }] as readonly IngressRuleInput[];
  await gatewright.make(name, ...rules);
  return { host: `${name}.example.com`, url: `${gatewright.url}/ingresses/${name}` };
}

const pool = (...names: string[]) => names.map((instance) => ({ instance, port: fleet.port }));

const setMode = (name: string, mode: string, more: object = {}): Promise<Answer> =>
  call(`${gatewright.url}/instances/${name}/traffic`, { method: "PUT", body: { mode, ...more } });

/** The backends that some requests reach, and other answers by status. */
async function reached(host: string, requests = 4): Promise<readonly (string | number)[]> {
  const answers: (string | number)[] = [];
  for (let index = 0; index < requests; index += 1) {
    const { status, body } = await gatewright.visit<Seen>(host);
    answers.push(status === 200 ? body.backend : status);
  }
  return [...new Set(answers)].sort();
}

/** Addresses of a rule's targets. */
async function addressesOf(url: string): Promise<readonly string[]> {
  const { body } = await call<IngressStatus>(`${url}/status`);
  return body.rules.flatMap(({ targets }) =>
    targets.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
  );
}

/** Requests that are sent now are answered: whatever was sent before has come to its rule. */
async function othersAreServed(): Promise<void> {
  const { host } = await serve({ target: { instance: "two", port: fleet.port } });
  expect(await reached(host, 10)).toEqual(["two"]);
}

async function stateOf(): Promise<{ config: string }> {
  return (await askCaddy<{ config: string }>(gatewright.ports.admin, "/gatewright/state")).body;
}

describe("a service", () => {
  it("scales from 1 to 4 and back under load: nothing lost, nothing reloaded", async () => {
    await using web = await startFleet(gatewright.url, ["web-1", "web-2", "web-3", "web-4"], "web");
    const others = web.names.slice(1);
    for (const name of others)
      await gatewright.put(name, web.address(name), { state: "Stopped", service: "web" });
    const { host } = await serve({ target: { service: "web", port: web.port } });
    expect(await reached(host)).toEqual(["web-1"]);
    const before = await stateOf();
    let going = true;
    const seen: { [backend: string]: number } = {};
    const lost: unknown[] = [];
    const clients = [1, 2, 3].map(async () => {
      while (going) {
        const answer = await gatewright.visit<Seen>(host).catch((error: unknown) => error as Error);
        if ("status" in answer && answer.status === 200)
          seen[answer.body.backend] = (seen[answer.body.backend] ?? 0) + 1;
        else lost.push("status" in answer ? `${answer.status} ${answer.text}` : answer);
      }
    });
    for (const name of others) await gatewright.put(name, web.address(name), { service: "web" });
    await until(() => Object.keys(seen).length === 4);
    // The last of them die without a word, as a virtual machine does; the retry finds another.
    for (const name of others) {
      await web.kill(name);
      await gatewright.put(name, web.address(name), { state: "Stopped", service: "web" });
    }
    const after = { ...seen };
    await until(() => (seen["web-1"] ?? 0) > (after["web-1"] ?? 0) + 20);
    going = false;
    await Promise.all(clients);
    expect(lost).toEqual([]);
    expect(await reached(host)).toEqual(["web-1"]);
    expect(await stateOf()).toMatchObject({ config: before.config });
  });

  it("has an address in DNS for each running instance, and none without any", async () => {
    const { host } = await serve({ target: { service: "later", port: fleet.port } });
    expect((await gatewright.visit(host)).status).toBe(503);
    await gatewright.put("later-1", fleet.address("one"), { service: "later" });
    await until(async () => (await gatewright.visit(host)).status === 200);
  });
});

describe("a replaced instance", () => {
  it("is met by the next request", async () => {
    await using old = await startFleet(gatewright.url, ["moving"]);
    const { host } = await serve({ target: { instance: "moving", port: old.port } });
    expect(await reached(host)).toEqual(["moving"]);
    await old.kill("moving");
    await using next = await startBackend("next", "127.0.0.77", old.port);
    await gatewright.put("moving", next.address);
    // Whether Caddy was told in time or finds out by the failed connection: no request is lost.
    expect(await reached(host)).toEqual(["next"]);
  });
});

describe("drain", () => {
  it("of an instance: no new requests, a WebSocket goes on, and it outlives Caddy and the manager", async () => {
    const { host } = await serve({ targets: pool("one", "two") });
    const socket = new WebSocket(`ws://127.0.0.1:${gatewright.ports.http}/`, { headers: { host } });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const put = await setMode("one", "drain");
    expect([put.status, put.body]).toMatchObject([200, { mode: "drain" }]);
    await setMode("two", "active");
    expect(await reached(host)).toEqual(["two"]);
    await setMode("two", "drain");
    const none = await gatewright.visit(host);
    expect([none.status, Number(none.headers["retry-after"])]).toEqual([503, 1]);
    const echoed = new Promise((resolve) => socket.once("message", (message) => resolve(message.toString())));
    socket.send("still here");
    expect(await echoed).toBe("still here");
    socket.terminate();
    await setMode("two", "active");

    process.kill(await gatewright.caddyPid(), "SIGKILL");
    await until(async () => (await gatewright.visit(host).catch(() => undefined))?.status === 200);
    await until(async () => (await reached(host, 6)).join() === "two");
    await gatewright.stop();
    await gatewright.start();
    expect((await call(`${gatewright.url}/instances/one/traffic`)).body).toMatchObject({ mode: "drain" });
    await until(async () => (await reached(host, 6)).join() === "two");
    await setMode("one", "active");
    expect(await reached(host)).toEqual(["one", "two"]);
  });

  it("of an instance of a service leaves the rest of it", async () => {
    await using api = await startFleet(gatewright.url, ["api-1", "api-2"], "api");
    const { host } = await serve({ target: { service: "api", port: api.port } });
    await setMode("api-1", "drain");
    expect(await reached(host)).toEqual(["api-2"]);
    await setMode("api-1", "active");
    expect(await reached(host)).toEqual(["api-1", "api-2"]);
  });

  it("of a target is a part of the ingress", async () => {
    const [one, two] = [...pool("one"), ...pool("two")];
    const { host, url } = await serve({ targets: pool("one", "two") });
    const match = { hostname: host };
    const changed = await call(url, {
      method: "PATCH",
      body: { rules: [{ match, targets: [{ ...one, mode: "drain" }, two] }] },
    });
    expect(changed.status, changed.text).toBe(200);
    expect(await reached(host)).toEqual(["two"]);
    expect(
      (await call<IngressStatus>(`${url}/status`)).body.rules[0]?.targets.map(({ mode }) => mode),
    ).toEqual(["drain", "active"]);
  });
});

describe("pause", () => {
  it("holds requests until the instance is active again, even at another address", async () => {
    await using app = await startFleet(gatewright.url, ["app"]);
    const { host, url } = await serve({ target: { instance: "app", port: app.port } });
    await setMode("app", "pause", { pause_timeout: "20s" });
    let answered = 0;
    const held = Array.from({ length: 5 }, async () => {
      const answer = await gatewright.visit<Seen>(host);
      answered += 1;
      return answer;
    });
    await app.kill("app");
    await gatewright.put("app", app.address("app"), { state: "Stopped" });
    await using next = await startBackend("app-next", "127.0.0.78", app.port);
    await gatewright.put("app", next.address);
    await until(async () => (await addressesOf(url)).includes(`${next.address}:${app.port}`));
    await othersAreServed();
    expect(answered).toBe(0);
    await setMode("app", "active");
    const answers = await Promise.all(held);
    expect(answers.map(({ status, body }) => [status, body.backend])).toEqual(
      Array(5).fill([200, "app-next"]),
    );
  });

  it("ends in 503 with Retry-After after its time", async () => {
    const { host } = await serve({
      target: { instance: "one", port: fleet.port, mode: "pause", pause_timeout: "300ms" },
    });
    const began = performance.now();
    const answer = await gatewright.visit(host);
    expect([answer.status, Number(answer.headers["retry-after"])]).toEqual([503, 1]);
    expect(performance.now() - began).toBeGreaterThan(290);
  });

  it("lets a pool's other targets take the requests", async () => {
    const [one, two] = [...pool("one"), ...pool("two")];
    const { host } = await serve({
      targets: [
        { instance: "one", port: 1, ...one, mode: "pause" },
        { instance: "two", port: 1, ...two },
      ],
    });
    expect(await reached(host)).toEqual(["two"]);
  });
});

describe("try_duration", () => {
  it("waits for an instance that comes back, through a reload", async () => {
    await using late = await startFleet(gatewright.url, ["late"]);
    await late.kill("late");
    const { host } = await serve({
      target: { instance: "late", port: late.port },
      policies: { load_balancing: { try_duration: "10s" } },
    });
    const waiting = gatewright.visit<Seen>(host);
    await othersAreServed();
    await gatewright.make("port", rule("port.test", "one", fleet.port, { port: await freePort() }));
    await late.revive("late");
    expect((await waiting).body.backend).toBe("late");
  });
});

describe("refusals", () => {
  it("of modes that are none, and of unknown instances", async () => {
    const codeOf = (answer: Answer) => [answer.status, (answer.body as { code: string }).code];
    expect(codeOf(await setMode("one", "off"))).toEqual([400, "Bad Request"]);
    expect(codeOf(await setMode("one", "drain", { pause_timeout: "1s" }))).toEqual([400, "bad_request"]);
    expect(codeOf(await setMode("one", "pause", { pause_timeout: "11m" }))).toEqual([400, "bad_request"]);
    expect(codeOf(await setMode("nobody", "drain"))).toEqual([404, "not_found"]);
  });
});
