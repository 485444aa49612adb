import { describe, expect, it } from "vitest";
import type {
  CreateIngressRequest,
  ErrorResponse,
  Gateway as GatewayInfo,
  Ingress,
} from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { startEtcd } from "../../support/etcd.ts";
import { type Gateway, startGateways } from "../../support/gateways.ts";
import { CliHome } from "../../support/run-cli.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

const backend = use(() => startBackend());
const etcd = use(() => startEtcd());
const gateways = use(() => startGateways(etcd.endpoints, ["one", "two"]));
const pair = (): readonly [Gateway, Gateway] => [gateways[0] as Gateway, gateways[1] as Gateway];

const request = (name: string, host = `${name}.example.com`): CreateIngressRequest => ({
  name,
  rules: [rule(host, "vm", backend.port)],
});
const list = async ({ url }: Gateway) => (await call<readonly Ingress[]>(`${url}/ingresses`)).body;
const reasons = async ({ url }: Gateway) =>
  (await call<{ readonly reasons: readonly string[] }>(`${url}/ready`)).body.reasons.join("\n");
const serves = (gateway: Gateway, host: string) =>
  until(async () => (await gateway.answerOf(host)).status === 200);

describe("two gateways on one etcd", () => {
  it("serve what the other has made, changed and deleted, with the same documents and revisions", async () => {
    const [one, two] = pair();
    const made = await one.create(request("shared"));
    expect(made.status, made.text).toBe(201);
    await serves(two, "shared.example.com");
    const { id } = made.body as Ingress;
    const changed = await call(`${two.url}/ingresses/${id}`, {
      method: "PUT",
      body: request("shared", "moved.example.com"),
    });
    expect(changed.status, changed.text).toBe(200);
    await serves(one, "moved.example.com");
    expect((await one.answerOf("shared.example.com")).status).not.toBe(200);
    expect(await list(one)).toEqual(await list(two));
    const revisions = async ({ url }: Gateway) => (await call(`${url}/revisions`)).text;
    await until(async () => (await revisions(one)) === (await revisions(two)));
    expect((await call(`${one.url}/ingresses/${id}`, { method: "DELETE" })).status).toBe(204);
    await until(async () => (await two.answerOf("moved.example.com")).status !== 200);
    expect(await list(two)).toEqual([]);
  });

  it("give a hostname that is taken at both at once to one of them, and tell the other who has it", async () => {
    const [one, two] = pair();
    for (let round = 0; round < 10; round += 1) {
      const host = `contested-${round}.example.com`;
      const answers = await Promise.all([
        one.create(request(`a-${round}`, host)),
        two.create(request(`b-${round}`, host)),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
      const refused = answers.find(({ status }) => status === 409)?.body as ErrorResponse;
      const winner = answers.find(({ status }) => status === 201)?.body as Ingress;
      expect(refused.code).toBe("hostname_in_use");
      expect(refused.message).toContain(winner.name);
    }
    await until(async () => JSON.stringify(await list(one)) === JSON.stringify(await list(two)));
    expect(await list(one)).toHaveLength(10);
    for (const { id } of await list(one)) await call(`${one.url}/ingresses/${id}`, { method: "DELETE" });
  });

  it("refuse nothing on an old state: a name that was freed at the other is free at once", async () => {
    const [one, two] = pair();
    for (let round = 0; round < 20; round += 1) {
      const [here, there] = round % 2 === 0 ? [one, two] : [two, one];
      const made = await here.create(request("again"));
      expect(made.status, made.text).toBe(201);
      const { id } = made.body as Ingress;
      expect((await call(`${here.url}/ingresses/${id}`, { method: "DELETE" })).status).toBe(204);
      const next = await there.create(request("again"));
      expect(next.status, next.text).toBe(201);
      const gone = (next.body as Ingress).id;
      expect((await call(`${there.url}/ingresses/${gone}`, { method: "DELETE" })).status).toBe(204);
    }
  });

  it("lose nothing of what many ask of both at once, and serve the same", async () => {
    const [one, two] = pair();
    const names = Array.from({ length: 120 }, (_, index) => `many-${index}`);
    const answers = await Promise.all(
      names.map((name, index) => (index % 2 === 0 ? one : two).create(request(name))),
    );
    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    await until(async () => (await list(one)).length === 120 && (await list(two)).length === 120);
    expect(await list(one)).toEqual(await list(two));
    for (const gateway of [one, two])
      for (const name of names.slice(-10)) await serves(gateway, `${name}.example.com`);
    await until(async () => (await reasons(one)) === "" && (await reasons(two)) === "");
    const pruned = await call(`${two.url}/apply?prune=all`, { body: [request("many-0")] });
    expect(pruned.status, pruned.text).toBe(200);
    await until(async () => (await list(one)).length === 1);
    expect((await one.answerOf("many-1.example.com")).status).not.toBe(200);
    await serves(one, "many-0.example.com");
  });

  it("tell of each other, also by the command line, and have each name once", async () => {
    const [one, two] = pair();
    const told = async ({ url }: Gateway) => (await call<readonly GatewayInfo[]>(`${url}/gateways`)).body;
    const { revision } = (await told(one)).find(({ answering }) => answering) as GatewayInfo;
    expect(revision).toBeGreaterThan(0);
    await until(async () => (await told(one)).every((other) => other.revision === revision && other.ready));
    expect((await told(two)).map(({ answering, name }) => [name, answering])).toEqual([
      ["one", false],
      ["two", true],
    ]);
    using home = new CliHome({ GATEWRIGHT_URL: one.url });
    const shown = await home.run(["gateways"]);
    expect(shown.stdout).toMatch(/NAME.*\n.*one .*yes.*\n.*two .*yes/);
    await expect(startGateways(etcd.endpoints, ["one"])).rejects.toThrow(
      /config_invalid.*GATEWAY_NAME=one is the name of another gateway/s,
    );
    await two.stop();
    expect((await told(one)).map(({ name }) => name)).toEqual(["one"]);
    await two.start();
    expect((await told(two)).map(({ name }) => name)).toEqual(["one", "two"]);
  });

  it("serve on while etcd is away, also after a start, and agree when it is back", async () => {
    const [one, two] = pair();
    expect((await one.create(request("before"))).status).toBe(201);
    await serves(two, "before.example.com");
    await etcd.members[0]?.kill();
    const refused = await two.create(request("meanwhile"));
    expect([refused.status, (refused.body as ErrorResponse).code]).toEqual([503, "store_unavailable"]);
    await until(async () => (await reasons(two)).includes("etcd is not followed since"));
    await two.stop("SIGKILL");
    process.kill(await two.caddyPid(), "SIGKILL");
    await two.start();
    await serves(two, "before.example.com");
    expect((await one.answerOf("before.example.com")).status).toBe(200);
    expect((await call(`${two.url}/ready`)).status).toBe(200);
    const late = await two.create(request("meanwhile"));
    expect([late.status, (late.body as ErrorResponse).code]).toEqual([503, "store_unavailable"]);
    await etcd.members[0]?.start();
    await until(async () => (await reasons(one)) === "" && (await reasons(two)) === "");
    expect((await two.create(request("after"))).status).toBe(201);
    await serves(one, "after.example.com");
    expect(await list(one)).toEqual(await list(two));
  });
});
