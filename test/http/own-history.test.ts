import { describe, expect, it } from "vitest";
import type { Ingress, Plan, Revision, RevisionSummary } from "../../src/model/api.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import type { HttpReply } from "../support/http-call.ts";
import { signToken } from "../support/sign-token.ts";

const secret = "secret-of-the-tests-of-own-history-0123456789";
type Headers = { readonly [name: string]: string };
const bearer = (claims: { readonly [claim: string]: unknown }): Headers => ({
  Authorization: `Bearer ${signToken(secret, claims)}`,
});
const root = bearer({ sub: "root" });
const red = bearer({ sub: "red", limits: {} });
const blue = bearer({ sub: "blue", limits: {} });

const document = (name: string, port = 80) => ({
  name,
  rules: [{ match: { hostname: `${name}.test` }, target: { instance: "vm-1", port } }],
});

interface World extends AsyncDisposable {
  readonly api: TestApi;
  send(headers: Headers, method: string, path: string, json?: object): Promise<HttpReply>;
}

/** Revisions: 1 red's, 2 blue's, 3 red's, 4 of both by root, 5 blue's. */
async function world(): Promise<World> {
  const api = await startApi({ secret });
  await api.registry.put("vm-1", { network: { ip: "10.0.0.1" } });
  const send: World["send"] = (headers, method, path, json) =>
    api.call({ method, path, headers, ...(json === undefined ? {} : { json }) });
  await send(red, "POST", "/ingresses", document("red-1"));
  await send(blue, "POST", "/ingresses?message=secret-plan", document("blue-1"));
  await send(red, "PUT", "/ingresses/red-1?message=mine", document("red-1", 81));
  await send(root, "POST", "/apply?message=for-blue", [document("red-1", 82), document("blue-1", 82)]);
  await send(blue, "DELETE", "/ingresses/blue-1");
  return { api, send, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

describe("revisions of a token with limits", () => {
  it("are those that changed its own ingresses, with what they changed of these", async () => {
    await using own = await world();
    const listed = await own.send(red, "GET", "/revisions");
    const all = listed.json<readonly RevisionSummary[]>();
    expect(
      all.map(({ changed, changes, created, deleted, revision }) => [
        revision,
        created + changed + deleted,
        changes.map(({ name }) => name),
      ]),
    ).toEqual([
      [4, 1, ["red-1"]],
      [3, 1, ["red-1"]],
      [1, 1, ["red-1"]],
    ]);
    expect(all.map(({ authors }) => authors)).toMatchObject([
      [{ actor: { subject: "root", via: "api" } }],
      [{ actor: { subject: "red", address: "127.0.0.1" }, message: "mine" }],
      [{ actor: { subject: "red" } }],
    ]);
    expect(Object.keys(all[0]?.authors[0]?.actor ?? {}).sort()).toEqual(["subject", "via"]);
    const one = await own.send(red, "GET", "/revisions/4");
    expect(one.json<Revision>()).toMatchObject({
      changed: 1,
      changes: [{ name: "red-1", author: 0, differences: [expect.anything()] }],
    });
    expect((await own.send(red, "GET", "/revisions/4?offset=1")).json<Revision>().changes).toEqual([]);
    for (const number of [2, 5, 99])
      expect((await own.send(red, "GET", `/revisions/${number}`)).status).toBe(404);
    expect(listed.text + one.text).not.toMatch(/blue|secret-plan/);
    expect((await own.send(root, "GET", "/revisions")).json<unknown[]>().length).toBe(5);
  });

  it("come in pages", async () => {
    await using own = await world();
    const first = await own.send(red, "GET", "/revisions?limit=2");
    expect(first.headers.link).toBe('</revisions?limit=2&before=3>; rel="next"');
    const rest = await own.send(red, "GET", "/revisions?limit=2&before=3");
    expect(rest.json<readonly RevisionSummary[]>().map(({ revision }) => revision)).toEqual([1]);
    expect(rest.headers.link).toBeUndefined();
  });

  it("are looked for a thousand at a time, and the rest behind a link", async () => {
    await using own = await world();
    const { id } = (await own.send(blue, "POST", "/ingresses", document("blue-2"))).json<Ingress>();
    for (let port = 1_000; port < 2_100; port++) await own.api.manager.replace(id, document("blue-2", port));
    const first = await own.send(red, "GET", "/revisions");
    expect([first.status, first.json()]).toEqual([200, []]);
    const [, next = ""] = /^<(.*)>; rel="next"$/.exec(String(first.headers.link)) ?? [];
    const rest = await own.send(red, "GET", next);
    expect(rest.json<readonly RevisionSummary[]>().map(({ revision }) => revision)).toEqual([4, 3, 1]);
    expect(rest.headers.link).toBeUndefined();
  });

  it("are gone back to where that is about its own alone", async () => {
    await using own = await world();
    const before = JSON.stringify([...own.api.manager.list()]);
    for (const query of ["", "?dry_run=true"]) {
      const refused = await own.send(red, "POST", `/revisions/3/rollback${query}`);
      expect([refused.status, refused.json()["code"]]).toEqual([403, "Forbidden"]);
      expect(refused.text).not.toContain("blue");
    }
    expect(JSON.stringify([...own.api.manager.list()])).toBe(before);
    await own.send(red, "DELETE", "/ingresses/red-1");
    await own.send(red, "POST", "/ingresses", document("red-2"));
    const told = (await own.send(red, "POST", "/revisions/5/rollback?dry_run=true")).json<Plan>();
    expect(told).toMatchObject({ accepted: true, created: 1, deleted: 1 });
    expect((await own.send(red, "POST", "/revisions/5/rollback")).status).toBe(200);
    const left = (await own.send(red, "GET", "/ingresses")).json<readonly Ingress[]>();
    expect(left.map(({ name, owner, rules }) => [name, owner, rules[0]?.target?.port])).toEqual([
      ["red-1", "red", 82],
    ]);
  });

  it("bring nothing back that is beyond its limits now", async () => {
    await using own = await world();
    await own.send(red, "DELETE", "/ingresses/red-1");
    const narrow = bearer({ sub: "red", limits: { hostnames: ["*.else.test"] } });
    const refused = await own.send(narrow, "POST", "/revisions/5/rollback");
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining("limits.hostnames")]);
  });
});

describe("a plan of a token with limits", () => {
  it("tells of its changes, and not what Caddy would do, which depends on the rules of others", async () => {
    await using own = await world();
    const change = { create: document("red-3") };
    const told = (await own.send(red, "POST", "/plan", change)).json<Plan>();
    expect([told.accepted, told.created, told.effect]).toEqual([true, 1, undefined]);
    expect((await own.send(root, "POST", "/plan", change)).json<Plan>().effect).toBeDefined();
  });
});

describe("prune", () => {
  const names = ({ api }: World): readonly string[] => [...api.manager.list()].map(({ name }) => name).sort();

  it.each([
    ["own", red, "?prune=own", ["new", "of-root"]],
    ["own, without limits", bearer({ sub: "red" }), "?prune=own", ["new", "of-root"]],
    ["own within a selector", red, "?prune=own&tags[a]=b", ["new", "of-root", "red-1"]],
    ["another's", root, "?prune=selected&owner=red", ["new", "of-root"]],
    ["another's within a selector", root, "?prune=selected&owner=red&tags[a]=b", ["new", "of-root", "red-1"]],
    ["nobody's", root, "?prune=selected&owner=", ["new", "of-root", "red-1"]],
    ["what is not its own", red, "?prune=selected&owner=root", ["new", "of-root", "red-1"]],
  ])("takes those of an owner away: %s", async (_what, headers, query, left) => {
    await using own = await world();
    await own.send(root, "POST", "/ingresses", document("of-root"));
    const reply = await own.send(headers, "POST", `/apply${query}`, [document("new")]);
    expect([reply.status, names(own)]).toEqual([200, left]);
  });

  it.each(["?owner=red", "?prune=selected", "?prune=all&owner=red", "?prune=own&owner=red"])(
    "is asked for as a whole: %s",
    async (query) => {
      await using own = await world();
      const reply = await own.send(root, "POST", `/apply${query}`, []);
      expect([reply.status, names(own)]).toEqual([400, ["red-1"]]);
    },
  );

  it("of what is the caller's needs a caller who can own", async () => {
    await using own = await world();
    expect((await own.send(bearer({}), "POST", "/apply?prune=own", [])).status).toBe(400);
  });
});
