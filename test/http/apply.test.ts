import { describe, expect, it } from "vitest";
import type { TrafficWindows } from "../../src/caddy-json/traffic.ts";
import type {
  ApplyResult,
  ErrorResponse,
  Ingress,
  Plan,
  Revision,
  RevisionSummary,
} from "../../src/model/api.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { signToken } from "../support/sign-token.ts";
import { use } from "../support/use.ts";

const secret = "secret-of-the-sets-0123456789-0123";
const bearer = (permissions: readonly string[]) => ({
  Authorization: `Bearer ${signToken(secret, { sub: "ann", permissions })}`,
});
const writer = bearer(["ingress:read", "ingress:write", "ingress:delete"]);

/** What Caddy counted, by ingress. */
const counted: { [id: string]: TrafficWindows } = {};

const start = () =>
  startApi({
    secret,
    requests: { traffic: async (id) => counted[id] ?? {} },
    instances: ["vm-1", "vm-2"].map((name) => instanceFrom({ name })),
  });

/** A document with one rule, as a request has it. */
const document = (name: string, { host = `${name}.test`, instance = "vm-1", tags = {} } = {}) => ({
  name,
  ...(Object.keys(tags).length === 0 ? {} : { tags }),
  rules: [{ match: { hostname: host }, target: { instance, port: 80 } }],
});

/** What a test asks of an API. */
function callsOf(api: Awaited<ReturnType<typeof start>>) {
  const post = async (path: string, json?: unknown, headers: object = {}) =>
    api.call({
      method: "POST",
      path,
      headers: { ...writer, ...headers },
      ...(json === undefined ? {} : { json }),
    });
  const get = async <T>(path: string) => (await api.call({ path, headers: writer })).json<T>();
  const names = async () => (await get<Ingress[]>("/ingresses")).map(({ name }) => name).sort();
  return { post, get, names };
}

describe("POST /apply", () => {
  const api = use(start);
  const { post, get, names } = callsOf(api);

  it("makes the ingresses those of a set, and writes nothing when they are", async () => {
    const first = await post("/apply", [document("one"), document("two")]);
    expect(first.status).toBe(200);
    expect(first.json<ApplyResult>()).toMatchObject({ created: 2, changed: 0, deleted: 0, unchanged: 0 });
    const listed = await get<Ingress[]>("/ingresses");
    const changes = api.world.caddy.changes.length;
    // As they are answered they can be sent back.
    for (const set of [[document("one"), document("two")], listed]) {
      const again = (await post("/apply?prune=all", set)).json<ApplyResult>();
      expect(again).toEqual({ ...first.json<ApplyResult>(), created: 0, unchanged: 2, changes: [] });
    }
    // Of one document, too.
    const one = (await post("/apply", [document("one")])).json<ApplyResult>();
    expect(one).toMatchObject({ revision: first.json<ApplyResult>().revision, unchanged: 1, changes: [] });
    expect(api.world.caddy.changes).toHaveLength(changes);
    expect(await get("/ingresses")).toEqual(listed);
  });

  it("takes one document a line, and refuses a line with its number", async () => {
    const lines = [document("one"), document("lined")].map((one) => JSON.stringify(one));
    const call = {
      method: "POST",
      path: "/apply",
      headers: { ...writer, "Content-Type": "application/x-ndjson" },
    };
    const made = await api.call({ ...call, raw: `${lines.join("\r\n")}\n\n` });
    expect(made.json()).toMatchObject({ created: 1, unchanged: 1 });
    const broken = await api.call({ ...call, raw: `${lines[0]}\n{"name":\n` });
    expect(broken.status).toBe(400);
    expect(broken.json<ErrorResponse>().message).toMatch(/^line 2: .*unexpected EOF/);
  });

  it("is all or nothing, and names every problem with its place", async () => {
    const before = await get("/ingresses");
    const refused = await post("/apply?prune=all", [
      document("fresh"),
      document("lost", { instance: "nobody" }),
      document("bad", { host: "not a host" }),
    ]);
    expect(refused.status).toBe(400);
    const fields = refused.json<ErrorResponse>().details?.map(({ field }) => field);
    expect(fields).toEqual(["ingresses[1].rules[0].target.instance", "ingresses[2].rules[0].match.hostname"]);
    const taken = await post("/apply", [document("one"), document("thief", { host: "one.test" })]);
    expect(taken.status).toBe(409);
    expect(taken.json<ErrorResponse>().details).toMatchObject([
      { code: "hostname_in_use", field: "ingresses[1].rules[0].match.hostname" },
    ]);
    const unfit = await post("/apply", [{ name: "one" }, { nam: "two", rules: [] }]);
    expect(unfit.json<ErrorResponse>().details?.map(({ field }) => field)).toEqual(
      expect.arrayContaining(["ingresses[0].rules", "ingresses[1].nam"]),
    );
    expect(await get("/ingresses")).toEqual(before);
  });

  it("lets two ingresses swap their hostnames and their names", async () => {
    const listed = await get<Ingress[]>("/ingresses");
    const [one, two] = ["one", "two"].map(
      (name) => listed.find((ingress) => ingress.name === name) as Ingress,
    );
    const swapped = [
      { ...document("two"), id: one?.id },
      { ...document("one"), id: two?.id },
    ];
    expect((await post("/apply", swapped)).json()).toMatchObject({ changed: 2, created: 0 });
    expect((await get<Ingress>(`/ingresses/${one?.id}`)).rules[0]?.match.hostname).toBe("two.test");
  });

  it("prunes within a selector only, and needs the right to delete", async () => {
    const tags = { team: "web" };
    await post("/apply", [document("web-1", { tags }), document("web-2", { tags })]);
    const others = (await names()).filter((name) => !name.startsWith("web-"));
    const set = [document("web-1", { tags })];
    const headers = bearer(["ingress:read", "ingress:write"]);
    expect((await post("/apply?prune=selected&tags[team]=web", set, headers)).status).toBe(403);
    const pruned = await post("/apply?prune=selected&tags[team]=web", set);
    expect(pruned.json()).toMatchObject({
      created: 0,
      deleted: 1,
      unchanged: 1,
      changes: [{ op: "deleted", name: "web-2" }],
    });
    expect(await names()).toEqual([...others, "web-1"].sort());
    for (const query of ["?prune=selected", "?tags[team]=web", "?prune=all&tags[team]=web", "?prune=some"])
      expect((await post(`/apply${query}`, set)).status).toBe(400);
  });

  it("changes nothing where If-Match names another revision", async () => {
    const { revision } = (await post("/plan", [])).json<Plan>();
    await post("/apply", [document("later")]);
    const stale = await post("/apply", [document("stale")], { "If-Match": `"${revision}"` });
    expect(stale.status).toBe(412);
    expect(stale.json<ErrorResponse>().message).toContain(`revision ${revision + 1}`);
    const made = await post("/apply", [document("stale")], { "If-Match": `"${revision + 1}"` });
    expect(made.json()).toMatchObject({ created: 1, revision: revision + 2 });
    expect((await post("/apply", [], { "If-Match": '"x"' })).status).toBe(400);
  });
});

describe("POST /plan", () => {
  const api = use(start);
  const { post, get } = callsOf(api);
  const plan = async (json: unknown, query = "") => (await post(`/plan${query}`, json)).json<Plan>();

  it("tells what a set would do, in words, and does nothing", async () => {
    await post("/apply", [document("shop"), document("old")]);
    const before = [await get("/ingresses"), api.world.caddy.changes.length];
    const told = await plan(
      [document("shop", { instance: "vm-2" }), { ...document("new"), tags: { team: "web" } }],
      "?prune=all",
    );
    expect(told).toMatchObject({
      accepted: true,
      created: 1,
      changed: 1,
      deleted: 1,
      unchanged: 0,
      problems: [],
    });
    expect(told.effect).toEqual({
      rows: { added: 1, changed: 1, removed: 1 },
      moves: [
        { hostname: "old.test", port: api.world.httpPort, from: { id: expect.any(String), name: "old" } },
      ],
      policy_sets: { added: 0, removed: 0 },
      ports: { opened: [], closed: [] },
      certificates: { wanted: [], released: [] },
      reload: false,
    });
    const texts = Object.fromEntries(
      told.changes.map(({ name, differences }) => [name, differences.map(({ text }) => text)]),
    );
    const port = api.world.httpPort;
    expect(texts).toEqual({
      old: [],
      shop: [`shop.test:${port}: target.instance changes from "vm-1" to "vm-2"`],
      new: ['name is set to "new"', 'tags is set to {"team":"web"}', `new.test:${port} is added: to vm-1:80`],
    });
    expect([await get("/ingresses"), api.world.caddy.changes.length]).toEqual(before);
  });

  it("tells the requests of the last minutes that would be answered otherwise", async () => {
    const shop = await get<Ingress>("/ingresses/shop");
    const window = {
      seconds: 900,
      requests: 42,
      rate: 1,
      statuses: {},
      p50: 0,
      p95: 0,
      p99: 0,
      received_bytes: 0,
      sent_bytes: 0,
      targets: [],
    };
    counted[shop.id] = { "900": window };
    const told = await plan([document("fresh")], "?prune=all");
    expect(told.changes.find(({ id }) => id === shop.id)).toMatchObject({
      op: "deleted",
      traffic: { requests: 42 },
    });
    expect(told.changes.filter(({ traffic }) => traffic !== undefined)).toHaveLength(1);
    const port = api.world.httpPort;
    const from = { id: shop.id, name: "shop" };
    expect(told.effect?.moves).toContainEqual({ hostname: "shop.test", port, from, requests: 42 });
    // One that stays loses those of a path to another.
    const path = { type: "prefix", value: "/part" };
    const target = { instance: "vm-1", port: 80 };
    const part = { name: "part", rules: [{ match: { hostname: "shop.test", path }, target }] };
    expect((await plan([part])).effect?.moves).toEqual([
      { hostname: "shop.test", port, path, from, to: { id: expect.any(String), name: "part" }, requests: 42 },
    ]);
  });

  it("tells every problem of what would be refused", async () => {
    const told = await plan({ create: document("thief", { host: "shop.test" }) });
    expect(told).toMatchObject({ accepted: false, created: 0, changes: [] });
    expect(told.problems).toMatchObject([{ code: "hostname_in_use", field: "rules[0].match.hostname" }]);
  });

  it("plans single changes as their calls make them", async () => {
    const shop = await get<Ingress>("/ingresses/shop");
    const other = document("shop", { host: "store.test" });
    expect(await plan({ replace: { id: "shop", ingress: other } })).toMatchObject({
      changed: 1,
      changes: [{ id: shop.id, op: "changed" }],
    });
    expect(await plan({ patch: { id: "shop", patch: { tags: { a: "b" } } } })).toMatchObject({ changed: 1 });
    expect(await plan({ delete: { id: "shop" } })).toMatchObject({ deleted: 1 });
    expect((await post("/plan", { delete: { id: "nobody" } })).status).toBe(404);
    expect((await post("/plan", { destroy: {} })).status).toBe(400);
  });

  it("says when ports open and Caddy has to reload, and hides secrets", async () => {
    const rule = document("x").rules[0];
    const secretive = {
      name: "x",
      rules: [
        {
          ...rule,
          match: { hostname: "x.test", port: 9099 },
          request_header_auth: { header: "X-Key", value: "s".repeat(40) },
        },
      ],
    };
    const told = await plan([secretive]);
    expect(told.effect).toMatchObject({ ports: { opened: [9099], closed: [] }, reload: true });
    expect(JSON.stringify(told)).not.toContain("ssss");
  });
});

describe("revisions", () => {
  const api = use(start);
  const { post, get, names } = callsOf(api);

  it("tell who changed what, when and why, and lead back", async () => {
    await post("/ingresses?message=first", document("kept"));
    await post("/ingresses", document("gone"));
    const [, gone] = await get<Ingress[]>("/ingresses");
    const before = (await get<Ingress[]>("/ingresses")).map(({ updated_at: _, ...rest }) => rest);
    const { revision } = (await post("/plan", [])).json<Plan>();
    await post("/apply?prune=all&message=oops", [document("kept", { instance: "vm-2" }), document("fresh")]);
    const listed = await get<RevisionSummary[]>("/revisions");
    expect(listed.map((one) => one.revision)).toEqual([revision + 1, revision, revision - 1]);
    expect(listed[0]).toMatchObject({
      created: 1,
      changed: 1,
      deleted: 1,
      authors: [{ actor: { subject: "ann", via: "api" }, message: "oops" }],
    });
    const detail = await get<Revision>(`/revisions/${revision + 1}`);
    expect(detail.changes.find(({ op }) => op === "changed")).toMatchObject({
      before: { name: "kept" },
      after: { name: "kept" },
      differences: [{ text: expect.stringContaining('"vm-1" to "vm-2"') }],
    });
    const dry = await post(`/revisions/${revision}/rollback?dry_run=true`);
    expect(dry.json()).toMatchObject({ accepted: true, created: 1, changed: 1, deleted: 1 });
    expect(await names()).toEqual(["fresh", "kept"]);
    const done = await post(`/revisions/${revision}/rollback`);
    expect(done.json()).toMatchObject({ revision: revision + 2, created: 1, changed: 1, deleted: 1 });
    const after = (await get<Ingress[]>("/ingresses")).map(({ updated_at: _, ...rest }) => rest);
    expect(after).toEqual(before);
    expect(after.map(({ id }) => id)).toContain(gone?.id);
    const [last] = await get<RevisionSummary[]>("/revisions?limit=1");
    expect(last?.authors).toMatchObject([{ message: `rollback to revision ${revision}` }]);
    // And forward again.
    await post(`/revisions/${revision + 1}/rollback`);
    expect(await names()).toEqual(["fresh", "kept"]);
  });

  it("are paged, and refuse what is not there", async () => {
    const page = await api.call({ path: "/revisions?limit=2", headers: writer });
    const listed = page.json<RevisionSummary[]>();
    expect(listed).toHaveLength(2);
    expect(page.headers["link"]).toBe(`</revisions?limit=2&before=${listed[1]?.revision}>; rel="next"`);
    for (const path of ["/revisions/999", "/revisions/x", "/revisions/999/rollback"]) {
      const method = path.endsWith("rollback") ? "POST" : "GET";
      const { status } = await api.call({ method, path, headers: writer });
      expect(status, path).toBe(method === "POST" ? 400 : 404);
    }
    const reader = await api.call({
      method: "POST",
      path: "/revisions/1/rollback",
      headers: bearer(["ingress:write"]),
    });
    expect(reader.status).toBe(403);
  });
});
