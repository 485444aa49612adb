import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import type { GatewayIngressStatus, Ingress, IngressStatus } from "../../../src/model/api.ts";
import { type Call, call, putInstance, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { startEtcd } from "../../support/etcd.ts";
import { freePort } from "../../support/free-port.ts";
import { type Gateway, startGateways } from "../../support/gateways.ts";
import { CliHome } from "../../support/run-cli.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

const backend = use(() => startBackend());
const etcd = use(() => startEtcd());
const gateways = use(() => startGateways(etcd.endpoints, ["one", "two", "three"]));
const all = (): readonly [Gateway, Gateway, Gateway] => [
  gateways[0] as Gateway,
  gateways[1] as Gateway,
  gateways[2] as Gateway,
];
const ask = <Body = unknown>({ url }: Gateway, path: string, options?: Call) =>
  call<Body>(`${url}${path}`, options);
const LATE = "gatewright-late";

const statusOf = async (gateway: Gateway, name: string) => {
  const answer = await ask<IngressStatus>(gateway, `/ingresses/${name}/status?gateways=all`);
  expect(answer.status, answer.text).toBe(200);
  const { gateways: others = [] } = answer.body;
  return others;
};
const programmed = ({ conditions = [] }: GatewayIngressStatus) =>
  conditions.find(({ type }) => type === "Programmed");

describe("three gateways", () => {
  it("all serve a change when its answer comes that waits for all, whichever was asked", async () => {
    for (let round = 0; round < 15; round += 1) {
      const gateway = all()[round % 3] as Gateway;
      const host = `waited-${round}.example.com`;
      const body = { name: `waited-${round}`, rules: [rule(host, "vm", backend.port)] };
      const made = await ask<Ingress>(gateway, "/ingresses?wait=all", { body });
      expect([made.status, made.headers[LATE]], made.text).toEqual([201, undefined]);
      expect(await Promise.all(all().map(async (one) => (await one.answerOf(host)).status))).toEqual([
        200, 200, 200,
      ]);
      const gone = await ask(gateway, `/ingresses/${made.body.id}?wait=all`, { method: "DELETE" });
      expect([gone.status, gone.headers[LATE]]).toEqual([204, undefined]);
      for (const one of all()) expect((await one.answerOf(host)).status).not.toBe(200);
    }
  });

  it("wait for a token, an instance and a drain too", async () => {
    const [one, two] = all();
    const body = { name: "waited", scopes: ["ingress:read"] };
    const made = await ask<{ token: string }>(one, "/tokens?wait=all", { body });
    const headers = { authorization: `Bearer ${made.body.token}` };
    expect((await ask(two, "/ingresses", { headers })).status).toBe(200);
    expect((await ask(one, "/tokens/waited?wait=all", { method: "DELETE" })).status).toBe(204);
    expect((await ask(two, "/ingresses", { headers })).status).toBe(401);
    const put = { method: "PUT", body: { network: { ip: "127.0.0.1" } } };
    expect((await ask(one, "/instances/waited?wait=all", put)).status).toBe(201);
    expect((await ask(two, "/instances/waited")).status).toBe(200);
    const drain = { method: "PUT", body: { mode: "drain" } };
    expect((await ask(two, "/instances/waited/traffic?wait=all", drain)).status).toBe(200);
    expect((await ask(one, "/instances/waited/traffic")).body).toMatchObject({ mode: "drain" });
  });

  it("name who is late, after the time that was given, and no change is lost for it", async () => {
    const [one, two, three] = all();
    two.process().kill("SIGSTOP");
    try {
      const body = { name: "late", rules: [rule("late.example.com", "vm", backend.port)] };
      const began = performance.now();
      const made = await ask<Ingress>(one, "/ingresses?wait=all&wait_timeout=1500ms", { body });
      expect([made.status, made.headers[LATE]], made.text).toEqual([201, "two"]);
      expect(performance.now() - began).toBeGreaterThan(1_400);
      expect((await three.answerOf("late.example.com")).status).toBe(200);
      using home = new CliHome({ GATEWRIGHT_URL: one.url });
      const run = await home.run(["--wait", "500ms", "instance", "put", "late", "--ip", "127.0.0.1"]);
      expect(run.stderr).toContain("not served yet by: two");
      const asked = await statusOf(one, "late");
      expect(asked.map(({ answered, name }) => [name, answered])).toEqual([
        ["three", true],
        ["two", false],
      ]);
    } finally {
      two.process().kill("SIGCONT");
    }
    await until(async () => (await two.answerOf("late.example.com")).status === 200);
  });

  it("refuse a time that is none, or too long", async () => {
    const [one] = all();
    const put = { method: "PUT", body: { network: { ip: "127.0.0.1" } } };
    for (const query of [
      "wait=some",
      "wait=all&wait_timeout=61s",
      "wait=all&wait_timeout=1",
      "wait_timeout=1s",
    ]) {
      const answer = await ask(one, `/instances/refused?${query}`, put);
      expect([query, answer.status]).toEqual([query, 400]);
    }
    expect((await ask(one, "/instances/refused")).status).toBe(404);
  });

  it("tell where an ingress is programmed, where its port is taken, where Caddy is down, and the health each finds", async () => {
    const [one, two, three] = all();
    const port = await freePort();
    const taken = createServer().listen(port, two.address);
    await once(taken, "listening");
    const ingress = {
      name: "told",
      rules: [
        { ...rule("told.example.com", "vm", backend.port), match: { hostname: "told.example.com", port } },
      ],
    };
    const made = await ask(three, "/ingresses", { body: ingress });
    expect(made.status, made.text).toBe(201);
    await until(async () => {
      const others = await statusOf(one, "told");
      return others.every((other) => programmed(other) !== undefined);
    });
    const [third] = await statusOf(one, "told");
    expect(third).toMatchObject({ name: "three", answered: true });
    expect(third === undefined ? undefined : programmed(third)?.status).toBe("True");
    expect(third?.rules?.[0]?.targets[0]?.addresses).toHaveLength(1);
    await until(async () => {
      const [, second] = await statusOf(one, "told");
      return second !== undefined && programmed(second)?.reason === "PortUnavailable";
    });
    taken.close();
    await once(taken, "close");
    await until(async () => {
      const again = (await statusOf(one, "told")).find(({ name }) => name === "two");
      return again !== undefined && programmed(again)?.status === "True";
    });
    const pid = await three.caddyPid();
    process.kill(pid, "SIGSTOP");
    try {
      await until(async () => {
        const down = (await statusOf(one, "told")).find(({ name }) => name === "three");
        return down !== undefined && programmed(down)?.status === "False";
      });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    expect((await putInstance(one.url, "vm", "127.0.0.1")).status).toBe(200);
  });

  it("take one that is stopped out of the list before it ends, so that nobody waits for it", async () => {
    const [one, two, three] = all();
    await three.stop();
    const body = { name: "without", rules: [rule("without.example.com", "vm", backend.port)] };
    const made = await ask<Ingress>(one, "/ingresses?wait=all", { body });
    expect([made.status, made.headers[LATE]]).toEqual([201, undefined]);
    expect((await two.answerOf("without.example.com")).status).toBe(200);
    await three.start();
    await until(async () => (await three.answerOf("without.example.com")).status === 200);
  });
});
