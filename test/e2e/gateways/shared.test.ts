import { describe, expect, it } from "vitest";
import type {
  Certificate,
  ErrorResponse,
  Ingress,
  Instance,
  InstanceTraffic,
  Token,
} from "../../../src/model/api.ts";
import { handshake } from "../../support/acme/handshake.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { type Call, call, putInstance, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { startEtcd } from "../../support/etcd.ts";
import { type Gateway, startGateways } from "../../support/gateways.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

const backend = use(() => startBackend());
const etcd = use(() => startEtcd());
const gateways = use(() => startGateways(etcd.endpoints, ["one", "two"]));
const pair = (): readonly [Gateway, Gateway] => [gateways[0] as Gateway, gateways[1] as Gateway];
const ask = <Body = unknown>({ url }: Gateway, path: string, options?: Call) =>
  call<Body>(`${url}${path}`, options);
const codeOf = ({ body }: { readonly body: unknown }) => (body as ErrorResponse).code;
const made = <Body extends { readonly status: number; readonly text: string }>(answer: Body): Body => {
  expect(answer.status, answer.text).toBe(201);
  return answer;
};

describe("two gateways on one etcd share", () => {
  it("instances: a rule at one can name at once what was put at the other", async () => {
    const [one, two] = pair();
    for (let round = 0; round < 10; round += 1) {
      const [here, there] = round % 2 === 0 ? [one, two] : [two, one];
      made(await putInstance(here.url, `vm-${round}`, "127.0.0.1"));
      const host = `vm-${round}.example.com`;
      const { body } = made(
        await there.create({ name: `of-${round}`, rules: [rule(host, `vm-${round}`, backend.port)] }),
      );
      await until(async () => (await here.answerOf(host)).status === 200);
      expect((await ask(here, `/ingresses/${(body as Ingress).id}`, { method: "DELETE" })).status).toBe(204);
      expect((await ask(there, `/instances/vm-${round}`, { method: "DELETE" })).status).toBe(204);
      const again = await ask(here, `/instances/vm-${round}`, { method: "DELETE" });
      expect([again.status, codeOf(again)]).toEqual([404, "not_found"]);
    }
  });

  it("instances: an id that is taken at both at once is one instance's", async () => {
    const [one, two] = pair();
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all(
        [one, two].map(({ url }, index) =>
          putInstance(url, `taken-${round}-${index}`, "127.0.0.1", { id: `id-${round}` }),
        ),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    }
    const lists = async () =>
      Promise.all(pair().map(async (gateway) => (await ask(gateway, "/instances")).text));
    await until(async () => new Set(await lists()).size === 1);
    const all = (await ask<readonly Instance[]>(one, "/instances")).body;
    expect(all.filter(({ name }) => name.startsWith("taken-"))).toHaveLength(10);
  });

  it("drains: what is drained at one gets no request at either", async () => {
    const [one, two] = pair();
    made(await putInstance(one.url, "drained", "127.0.0.1"));
    made(
      await one.create({ name: "drained", rules: [rule("drained.example.com", "drained", backend.port)] }),
    );
    await until(async () => (await two.answerOf("drained.example.com")).status === 200);
    const mode = (gateway: Gateway, wanted: string) =>
      ask<InstanceTraffic>(gateway, "/instances/drained/traffic", { method: "PUT", body: { mode: wanted } });
    expect((await mode(two, "drain")).body.mode).toBe("drain");
    await until(async () => (await one.answerOf("drained.example.com")).status === 503);
    expect((await ask<InstanceTraffic>(one, "/instances/drained/traffic")).body.mode).toBe("drain");
    expect((await mode(one, "active")).body.mode).toBe("active");
    await until(async () => (await two.answerOf("drained.example.com")).status === 200);
  });

  it("tokens: one that was made at one is taken at the other, until it is deleted; a name is one token's", async () => {
    const [one, two] = pair();
    const make = (gateway: Gateway, name: string) =>
      ask<Token>(gateway, "/tokens", { body: { name, scopes: ["ingress:read"] } });
    const { token = "", id } = made(await make(one, "reader")).body;
    const read = (gateway: Gateway) =>
      ask(gateway, "/ingresses", { headers: { authorization: `Bearer ${token}` } });
    await until(async () => (await read(two)).status === 200);
    const second = await make(two, "reader");
    expect([second.status, codeOf(second)]).toEqual([409, "already_exists"]);
    expect((await ask(two, `/tokens/${id}`, { method: "DELETE" })).status).toBe(204);
    await until(async () => (await read(one)).status === 401);
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all([make(one, `both-${round}`), make(two, `both-${round}`)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    }
  });

  it("imported certificates: what one imports both show, a new version too, and nobody deletes what a rule uses", async () => {
    const [one, two] = pair();
    const authority = await createTestAuthority();
    const host = "imported.example.com";
    const bring = async (gateway: Gateway) => {
      const { certificate, key } = await authority.issue({ names: [host] });
      return ask<Certificate>(gateway, "/certificates", {
        body: { name: "site", certificate_pem: certificate, key_pem: key },
      });
    };
    const { id } = made(await bring(one)).body;
    const secure = { ...rule(host, "vm", backend.port), tls: true, tls_options: { certificate: "site" } };
    const ingress = made(await two.create({ name: "imported", rules: [secure] })).body as Ingress;
    const shown = ({ address, httpsPort }: Gateway) =>
      handshake({ address, port: httpsPort, host, ca: authority.pem }).catch(() => undefined);
    await until(async () => (await Promise.all(pair().map(shown))).every((one) => one?.names.includes(host)));
    const [first] = await Promise.all(pair().map(shown));
    expect((await bring(two)).status).toBe(200);
    await until(async () => {
      const all = await Promise.all(pair().map(shown));
      return all.every((one) => one !== undefined && one.serial !== first?.serial);
    });
    const used = await ask(one, `/certificates/${id}`, { method: "DELETE" });
    expect([used.status, codeOf(used)]).toEqual([409, "certificate_in_use"]);
    expect((await ask(two, `/ingresses/${ingress.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await ask(one, `/certificates/${id}`, { method: "DELETE" })).status).toBe(204);
    for (let round = 0; round < 10; round += 1) {
      const { id: contested } = made(await bring(one)).body;
      const [made_, gone] = await Promise.all([
        two.create({ name: `contested-${round}`, rules: [secure] }),
        ask(one, `/certificates/${contested}`, { method: "DELETE" }),
      ]);
      // Either the rule was first, or what it names is not there.
      expect([
        [201, 409],
        [400, 204],
      ]).toContainEqual([made_.status, gone.status]);
      if (made_.status !== 201) continue;
      await ask(two, `/ingresses/${(made_.body as Ingress).id}`, { method: "DELETE" });
      expect((await ask(two, `/certificates/${contested}`, { method: "DELETE" })).status).toBe(204);
    }
  });

  it("nothing new while etcd is away, and each has its copy of everything, also after a start", async () => {
    const [one, two] = pair();
    const { token = "" } = made(
      await ask<Token>(one, "/tokens", { body: { name: "kept", scopes: ["instance:read"] } }),
    ).body;
    await ask(one, "/instances/vm/traffic", { method: "PUT", body: { mode: "drain" } });
    const state = async (gateway: Gateway) =>
      Promise.all(
        ["/instances", "/instances/vm/traffic", "/certificates", "/tokens"].map(
          async (path) => (await ask(gateway, path)).text,
        ),
      );
    await until(async () => JSON.stringify(await state(one)) === JSON.stringify(await state(two)));
    const before = await state(two);
    await etcd.members[0]?.kill();
    await two.stop("SIGKILL");
    await two.start();
    expect(await state(two)).toEqual(before);
    const headers = { authorization: `Bearer ${token}` };
    expect((await ask(two, "/instances/vm", { headers })).status).toBe(200);
    for (const gateway of pair())
      for (const [path, method, body] of [
        ["/instances/vm", "PUT", { network: { ip: "127.0.0.2" } }],
        ["/instances/vm", "DELETE", undefined],
        ["/instances/vm/traffic", "PUT", { mode: "active" }],
        ["/tokens", "POST", { name: "late", scopes: ["*"] }],
        ["/tokens/kept", "DELETE", undefined],
      ] as const) {
        const answer = await ask(gateway, path, { method, body });
        expect([path, answer.status, codeOf(answer)]).toEqual([path, 503, "store_unavailable"]);
        expect(answer.text).toContain("etcd");
      }
    await etcd.members[0]?.start();
    await until(async () => (await putInstance(two.url, "vm", "127.0.0.1")).status === 200);
    expect((await ask(two, "/tokens/kept", { method: "DELETE" })).status).toBe(204);
    await until(async () => JSON.stringify(await state(one)) === JSON.stringify(await state(two)));
  });
});
