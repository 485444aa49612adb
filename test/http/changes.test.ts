import { describe, expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import type { EventDraft } from "../../src/model/event.ts";
import { InstanceModes, type TrafficDocument } from "../../src/targets/instance-modes.ts";
import { documentedOperations } from "../contract/documented.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { signToken } from "../support/sign-token.ts";
import { use } from "../support/use.ts";

const secret = "secret-of-the-changes-0123456789";
const bearer = (claims: object) => ({ Authorization: `Bearer ${signToken(secret, { ...claims })}` });
const ann = bearer({ sub: "ann", jti: "t-1" });
const actor = { subject: "ann", token_id: "t-1", address: "127.0.0.1", via: "api" };

const told: EventDraft[] = [];
const api = use(async () => {
  const store = new MemoryStore<TrafficDocument>();
  const events = { emit: (event: EventDraft) => void told.push(event) };
  const traffic = new InstanceModes({ store, events, logger: recordingLogger() });
  await traffic.start();
  return startApi({ secret, traffic, instances: [instanceFrom({ name: "vm-1" })] });
});

const document = (name: string) => ({
  name,
  rules: [{ match: { hostname: `${name}.test` }, target: { instance: "vm-1", port: 80 } }],
});

/** Sends a change and returns its answer and what was told of it. */
async function change(method: string, path: string, json?: unknown, headers: object = {}) {
  const before = [api.events.length, told.length] as const;
  const call = { method, path, headers: { ...ann, ...headers } };
  const reply = await api.call(json === undefined ? call : { ...call, json });
  return { reply, events: [...api.events.slice(before[0]), ...told.slice(before[1])] };
}

describe("each change tells who made it, from where and why", () => {
  const why = { "X-Change-Message": "OPS-17", "X-Request-ID": "r-1" };
  const by = { actor: { ...actor, request_id: "r-1" }, change_message: "OPS-17" };

  it("of ingresses", async () => {
    const made = await change("POST", "/ingresses", document("one"), why);
    const { id } = made.reply.json<Ingress>();
    const data = { rules: 1, hostnames: ["one.test"], programmed: true };
    const ingress = { id, name: "one", owner: "ann" };
    expect(made.events).toEqual([
      { type: "ingress.created", message: "ingress one was created", ingress, ...by, data },
    ]);
    const put = await change("PUT", `/ingresses/${id}`, document("two"), why);
    expect(put.events).toMatchObject([
      { type: "ingress.changed", message: "ingress two was changed, before one", ...by },
    ]);
    const patched = await change("PATCH", "/ingresses/two", { tags: { a: "b" } }, why);
    expect(patched.events).toMatchObject([
      { type: "ingress.changed", message: "ingress two was changed", ...by },
    ]);
    const deleted = await change("DELETE", "/ingresses/two", undefined, why);
    expect(deleted.events).toEqual([
      {
        type: "ingress.deleted",
        message: "ingress two was deleted",
        ingress: { id, name: "two", owner: "ann" },
        ...by,
      },
    ]);
  });

  it("of instances, but for what changes nothing", async () => {
    const put = (ip: string | null, more: object = {}) =>
      change("PUT", "/instances/vm-2", { network: { ip }, ...more }, why);
    const types = [];
    for (const step of [
      () => put("10.0.0.2"),
      () => put("10.0.0.2"),
      () => put("10.0.0.3"),
      () => put("10.0.0.3", { tags: { a: "b" } }),
      () => put("10.0.0.3", { state: "Stopped" }),
      () => change("DELETE", "/instances/vm-2", undefined, why),
    ]) {
      const { events } = await step();
      for (const event of events) expect(event).toMatchObject({ ...by, instance: { name: "vm-2" } });
      types.push(events.map(({ message }) => message));
    }
    expect(types).toEqual([
      ["instance vm-2 appeared at 10.0.0.2"],
      [],
      ["instance vm-2 is at 10.0.0.3, before at 10.0.0.2"],
      ["instance vm-2 was changed"],
      ["instance vm-2 is without an address (Stopped), before at 10.0.0.3"],
      ["instance vm-2 is gone"],
    ]);
  });

  it("of drains and pauses", async () => {
    const { events } = await change("PUT", "/instances/vm-1/traffic", { mode: "drain" }, why);
    const data = { mode: "drain", before: "active" };
    const instance = { name: "vm-1" };
    expect(events).toEqual([
      { type: "instance.traffic", message: "instance vm-1 is drained", instance, ...by, data },
    ]);
  });

  it("of certificates, without their keys", async () => {
    const { certificate, key } = await (await createTestAuthority()).issue({ names: ["shop.test"] });
    const json = { name: "shop", certificate_pem: certificate, key_pem: key };
    const imported = await change("POST", "/certificates", json, why);
    const data = { names: ["shop.test"] };
    expect(imported.events).toMatchObject([
      { type: "certificate.imported", certificate: { name: "shop" }, ...by, data },
    ]);
    const again = await change("POST", "/certificates", json, why);
    expect(again.events).toMatchObject([{ message: "certificate shop was replaced by another" }]);
    const deleted = await change("DELETE", "/certificates/shop", undefined, why);
    expect(deleted.events).toMatchObject([{ type: "certificate.deleted", ...by }]);
    expect(JSON.stringify(api.events)).not.toContain(key.split("\n")[1]);
  });
});

describe("who makes a change", () => {
  const subjectOf = async (headers: object) => {
    const { events } = await change("DELETE", "/ingresses/none", undefined, headers);
    return events[0]?.actor;
  };

  it("is the token's subject, if it has one", async () => {
    expect(await subjectOf(bearer({}))).toMatchObject({ subject: "unnamed" });
    expect(await subjectOf(bearer({ sub: 7, jti: ["x"] }))).toEqual({
      ...actor,
      subject: "unnamed",
      token_id: undefined,
    });
    expect((await subjectOf(bearer({ sub: "x".repeat(5_000) })))?.subject).toHaveLength(200);
  });

  it("is anonymous where the API is open", async () => {
    await using open = await startApi();
    await open.call({ method: "DELETE", path: "/ingresses/none" });
    expect(open.events.map((event) => event.actor)).toEqual([
      { subject: "anonymous", address: "127.0.0.1", via: "api" },
    ]);
  });

  it("has a request id only if it is a plain word", async () => {
    for (const [id, kept] of [
      ["a-b.c:1", "a-b.c:1"],
      ["two words", undefined],
      ["x".repeat(129), undefined],
    ] as const)
      expect(
        (await subjectOf({ "X-Request-ID": id, ...bearer({ sub: `id ${id.length}` }) }))?.request_id,
      ).toBe(kept);
  });
});

describe("the reason of a change", () => {
  const reasonOf = async (path: string, headers: object) => {
    const { reply, events } = await change("DELETE", path, undefined, {
      ...bearer({ sub: path }),
      ...headers,
    });
    return [reply.status, events[0]?.change_message];
  };

  it("is in the query or the header, as UTF-8, and the query goes before", async () => {
    const header = (text: string) => ({ "X-Change-Message": Buffer.from(text).toString("latin1") });
    expect(await reasonOf("/ingresses/a", header("größer"))).toEqual([404, "größer"]);
    expect(await reasonOf("/ingresses/b?message=weil%20ja", header("nein"))).toEqual([404, "weil ja"]);
    expect(await reasonOf("/ingresses/c?message=", header("nein"))).toEqual([404, undefined]);
  });

  it("is a line of 500 characters at most", async () => {
    expect(await reasonOf(`/ingresses/d?message=${"x".repeat(500)}`, {})).toEqual([404, "x".repeat(500)]);
    for (const [path, headers] of [
      [`/ingresses/e?message=${"x".repeat(501)}`, {}],
      ["/ingresses/f?message=a%0Ab", {}],
      ["/ingresses/g", { "X-Change-Message": "x".repeat(501) }],
    ] as const)
      expect(await reasonOf(path, headers)).toEqual([400, undefined]);
  });

  it("is asked of changes only", async () => {
    expect((await change("GET", "/ingresses?message=x")).reply.status).toBe(400);
  });
});

describe("a change that is refused", () => {
  it("is told with its code, whoever asks for whatever", async () => {
    const changes = documentedOperations().filter(({ scopes }) =>
      scopes.some((scope) => /:(write|delete)$/.test(scope)),
    );
    expect(changes.length).toBeGreaterThan(8);
    for (const { method, path } of changes) {
      await using own = await startApi({ secret });
      await own.call({ method, path: path.replace(/\{\w+\}/, "1") });
      await own.call({
        method,
        path: path.replace(/\{\w+\}/, "1"),
        headers: bearer({ sub: "bob", permissions: [] }),
      });
      expect([path, own.events]).toMatchObject([
        path,
        [
          {
            type: expect.stringMatching(/\.refused$/),
            actor: { subject: "unknown" },
            data: { code: "Unauthorized", method },
          },
          { actor: { subject: "bob" }, data: { code: "Forbidden" } },
        ],
      ]);
    }
  });

  it("names what it was about, and repeats no secret", async () => {
    await using own = await startApi({ secret });
    const hidden = "HIDDEN-VALUE-OF-THE-TEST";
    const rule = document("one").rules[0];
    const json = {
      name: "one",
      rules: [
        { ...rule, request_header_auth: { header: "bad header", value: hidden } },
        { ...rule, policies: { basic_auth: { users: { ann: hidden } } } },
      ],
    };
    const reply = await own.call({ method: "POST", path: "/ingresses", json, headers: ann });
    expect(reply.status).toBe(400);
    expect(own.events).toMatchObject([
      {
        type: "ingress.refused",
        ingress: { name: "one" },
        actor,
        data: { code: reply.json()["code"], route: "/ingresses" },
      },
    ]);
    const broken = {
      method: "POST",
      path: "/ingresses",
      raw: `{"name": ${hidden}`,
      headers: { ...ann, "Content-Type": "application/json" },
    };
    expect((await own.call(broken)).status).toBe(400);
    own.failNextChange(new TypeError(`something with ${hidden}`));
    expect(
      (await own.call({ method: "POST", path: "/ingresses", json: document("two"), headers: ann })).status,
    ).not.toBe(201);
    expect(own.events.length).toBe(3);
    expect(JSON.stringify(own.events)).not.toContain(hidden);
    expect(JSON.stringify(own.events)).not.toContain(ann.Authorization.slice(7));
  });

  it("is counted when there are many, and each subject has its part", async () => {
    await using own = await startApi({ secret });
    const flood = async (sub: string, count: number) => {
      for (let sent = 0; sent < count; sent++)
        await own.call({ method: "DELETE", path: "/ingresses/none", headers: bearer({ sub }) });
    };
    await flood("ann", 25);
    expect(own.events).toHaveLength(10);
    await flood("bob", 1);
    expect(own.events.at(-1)).toMatchObject({ actor: { subject: "bob" }, data: { unreported: 15 } });
    for (let one = 0; one < 20; one++) await flood(`one of many ${one}`, 10);
    expect(own.events).toHaveLength(60);
  });
});
