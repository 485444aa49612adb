import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import { documentedOperations } from "../contract/documented.ts";
import { startApi, type TestApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";

function sketch(index: number): Ingress {
  const id = `i${String(index).padStart(7, "0")}`;
  const rule = {
    match: { hostname: `h${index}.example.com`, port: 80 },
    target: { instance: "vm-1", port: 1 },
  };
  const at = "2026-01-02T03:04:05.000Z";
  const tags = { parity: index % 2 === 0 ? "even" : "odd" };
  return {
    id,
    name: `n${index}`,
    tags,
    rules: [{ ...rule, tls: false, redirect_http: false }],
    created_at: at,
    updated_at: at,
  };
}

const instances = [instanceFrom({ name: "vm-1" })];
const document = (hostname: string) => ({
  name: hostname.replaceAll(".", "-"),
  rules: [{ match: { hostname }, target: { instance: "vm-1", port: 80 } }],
});

describe("versions", () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi({ instances });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  async function make(hostname: string): Promise<{ path: string; etag: string }> {
    const reply = await api.call({ method: "POST", path: "/ingresses", json: document(hostname) });
    return { path: reply.headers.location ?? "", etag: reply.headers.etag ?? "" };
  }

  it("replaces with PUT, and takes what GET answered", async () => {
    const { path, etag } = await make("put.example.com");
    const got = (await api.call({ path })).json<Ingress>();
    const json = { ...got, tags: { a: "b" } };
    const put = await api.call({ method: "PUT", path, json, headers: { "If-Match": etag } });
    expect(put.status, put.text).toBe(200);
    expect(put.json()).toMatchObject({ id: got.id, created_at: got.created_at, tags: { a: "b" } });
    expect(put.headers.etag).not.toBe(etag);
    expect((await api.call({ path })).text).toBe(put.text);
  });

  it("refuses to change an id", async () => {
    const { path } = await make("id.example.com");
    const reply = await api.call({
      method: "PUT",
      path,
      json: { ...document("id.example.com"), id: "other" },
    });
    expect([reply.status, reply.json()["code"]]).toEqual([400, "bad_request"]);
    expect(reply.json()["details"]).toMatchObject([{ field: "id" }]);
  });

  it.each(["application/merge-patch+json", "application/json"])(
    "patches by a merge patch of type %s",
    async (type) => {
      const hostname = `patch-${type.length}.example.com`;
      const { path } = await make(hostname);
      const headers = { "Content-Type": type };
      const patch = await api.call({ method: "PATCH", path, headers, raw: '{"tags":{"a":"1","b":"2"}}' });
      expect(patch.json()).toMatchObject({ tags: { a: "1", b: "2" }, rules: [{ match: { hostname } }] });
      const removed = await api.call({ method: "PATCH", path, headers, raw: '{"tags":{"a":null}}' });
      expect(removed.json()["tags"]).toEqual({ b: "2" });
      const unknown = await api.call({ method: "PATCH", path, headers, raw: '{"rulez":[]}' });
      expect(unknown.json()["message"]).toContain('the nearest known key is "rules"');
      const nothing = await api.call({ method: "PATCH", path, headers, raw: "[]" });
      expect([nothing.status, nothing.json()["code"]]).toEqual([400, "Bad Request"]);
    },
  );

  it("keeps with a patch what the patch does not name", async () => {
    const place = { listen: ["127.0.0.1"], gateways: ["edge-1"], tags: { a: "b" } };
    const json = { ...document("kept.example.com"), ...place };
    const made = await api.call({ method: "POST", path: "/ingresses", json });
    expect(made.status, made.text).toBe(201);
    const path = made.headers.location ?? "";
    const { id, created_at, rules } = made.json<Ingress>();
    const patched = await api.call({ method: "PATCH", path, json: { name: "renamed" } });
    expect(patched.json()).toMatchObject({ id, created_at, rules, ...place, name: "renamed" });
  });

  it.each([
    ["the present version", (etag: string) => etag, 200],
    ["a list with it", (etag: string) => `"other", ${etag}`, 200],
    ["a list with commas in its tags", (etag: string) => `"a,b" ,, W/"c,", ${etag},`, 200],
    ["any", () => "*", 200],
    ["a tag of which it is a part", (etag: string) => etag.replace(/"$/, ',x"'), 412],
    ["a list without a comma", (etag: string) => `"other" ${etag}`, 400],
    ["another", () => '"other"', 412],
    ["the weak form of it", (etag: string) => `W/${etag}`, 412],
    ["an empty list", () => ",", 412],
    ["a tag without quotes", (etag: string) => etag.replaceAll('"', ""), 400],
  ])("heeds an If-Match that names %s", async (name, header, status) => {
    const hostname = `match-${name.replaceAll(" ", "-")}.example.com`;
    const { path, etag } = await make(hostname);
    const json = { ...document(hostname), tags: { changed: "yes" } };
    for (const method of ["PUT", "PATCH", "DELETE"]) {
      const version = method === "PUT" ? etag : ((await api.call({ path })).headers.etag ?? "");
      const call = {
        method,
        path,
        headers: { "If-Match": header(version) },
        ...(method === "DELETE" ? {} : { json }),
      };
      const reply = await api.call(call);
      expect([method, reply.status]).toEqual([method, status === 200 && method === "DELETE" ? 204 : status]);
      if (status === 412)
        expect(reply.json()).toEqual({
          code: "precondition_failed",
          message: "the resource has changed: If-Match does not name its present version",
        });
      if (status === 400) expect(reply.json()["message"]).toContain('parameter "If-Match" in header');
    }
    if (status !== 200) expect((await api.call({ path })).headers.etag).toBe(etag);
  });

  it("answers 304 to those who have the version", async () => {
    const { path, etag } = await make("cached.example.com");
    for (const header of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const reply = await api.call({ path, headers: { "If-None-Match": header } });
      expect([reply.status, reply.text, reply.headers.etag]).toEqual([304, "", etag]);
    }
    expect((await api.call({ path, headers: { "If-None-Match": '"old"' } })).status).toBe(200);
    const bare = await api.call({ path, headers: { "If-None-Match": "old" } });
    expect([bare.status, bare.json()["message"]]).toEqual([
      400,
      expect.stringContaining('parameter "If-None-Match" in header'),
    ]);
  });
});

it("streams a list of 100,000 whole, and answers others meanwhile", async () => {
  await using api = await startApi({ ingresses: Array.from({ length: 100_000 }, (_, at) => sketch(at)) });
  const list = api.call({ path: "/ingresses" });
  let answeredMeanwhile = 0;
  let isDone = false;
  void list.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    expect((await api.call({ path: "/ingresses/n5" })).status).toBe(200);
    if (!isDone) answeredMeanwhile++;
  }
  const reply = await list;
  expect(reply.headers["transfer-encoding"]).toBe("chunked");
  expect(reply.text.endsWith("]\n")).toBe(true);
  const ids = reply.json<readonly Ingress[]>().map(({ id }) => id);
  expect([ids.length, ids.at(0), ids.at(-1)]).toEqual([100_000, "i0000000", "i0099999"]);
  expect(answeredMeanwhile).toBeGreaterThan(0);
});

describe("lists", () => {
  let api: TestApi;
  beforeAll(async () => {
    // 30 MB of answer: more than the kernel's buffers hold.
    const note = "x".repeat(10_000);
    const ingresses = Array.from({ length: 3_000 }, (_, at) => sketch(at));
    api = await startApi({ ingresses: ingresses.map((one) => ({ ...one, tags: { ...one.tags, note } })) });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  it("stops for a client that goes away, and waits for one that does not read", async () => {
    let taken = 0;
    const list = api.manager.list.bind(api.manager);
    api.manager.list = function* () {
      for (const ingress of list()) {
        taken++;
        yield ingress;
      }
    };
    const request = httpRequest({ host: "127.0.0.1", port: api.port, path: "/ingresses" });
    request.on("error", () => undefined).end();
    const response = await new Promise<import("node:http").IncomingMessage>((resolve) =>
      request.on("response", resolve),
    );
    response.pause();
    // Other requests take turns with the stream: after these, the socket's buffers are full and it stands still.
    let before = -1;
    while (taken !== before) {
      before = taken;
      for (let turn = 0; turn < 50; turn++) await api.call({ path: "/health" });
    }
    expect(taken).toBeLessThan(3_000);
    response.destroy();
    for (let turn = 0; turn < 50; turn++) await api.call({ path: "/health" });
    expect(taken).toBe(before);
    api.manager.list = list;
  });

  it("answers a HEAD without going through the list", async () => {
    const head = await api.call({ method: "HEAD", path: "/ingresses" });
    expect([head.status, head.headers["content-type"], head.text]).toEqual([200, "application/json", ""]);
  });

  it("answers pages when asked, each with the link to the next", async () => {
    const ids: string[] = [];
    let path: string | undefined = "/ingresses?limit=1000&tags%5Bparity%5D=even";
    let pages = 0;
    while (path !== undefined) {
      const reply = await api.call({ path });
      ids.push(...reply.json<readonly Ingress[]>().map(({ id }) => id));
      path = /^<([^>]+)>; rel="next"$/.exec(String(reply.headers.link))?.[1];
      pages++;
    }
    expect([pages, ids.length, new Set(ids).size]).toEqual([2, 1_500, 1_500]);
    expect((await api.call({ path: "/ingresses?cursor=i0002998" })).json()).toMatchObject([
      { id: "i0002999" },
    ]);
  });

  it.each([
    ["limit=0", '"limit" in query has an error: number must be at least 1'],
    ["limit=10001", '"limit" in query has an error: number must be at most 10000'],
    ["limit=ten", '"limit" in query has an error: value must be an integer'],
    ["tags=web", '"tags" in query has an error: write it as tags[key]=value'],
    ["tags[a][b]=c", '"tags" in query has an error: write it as tags[key]=value'],
    ["tags[]=c", '"tags" in query has an error: write it as tags[key]=value'],
    [
      "tags[a%2Ab]=c",
      '"tags" in query has an error: tag key "a*b" must be 1-128 letters, digits, spaces and _.:/=+@-',
    ],
    [
      "tags[a]=%00",
      '"tags" in query has an error: value of tag "a" must be 0-256 letters, digits, spaces and _.:/=+@-',
    ],
    [
      "tag[team]=t3",
      '"tag[team]" in query has an error: it is unknown: the nearest known key is "tags[key]"',
    ],
    ["nmae=x", '"nmae" in query has an error: it is unknown: the nearest known key is "name"'],
    ["limit=1&limit=2", '"limit" in query has an error: it is given twice: give it once'],
    [
      "hostname=a..b",
      '"hostname" in query has an error: "a..b" has an empty label; write one dot between labels',
    ],
    ["tags[a]=b&tags[a]=c", '"tags" in query has an error: a tag has one value: name each once'],
  ])("refuses ?%s", async (query, message) => {
    const reply = await api.call({ path: `/ingresses?${query}` });
    expect([reply.status, reply.json()["message"]]).toEqual([400, `parameter ${message}`]);
  });
});

describe("C10: queries", () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi({ instances: [...instances, instanceFrom({ name: "vm-2" })] });
    for (const [name, rule] of Object.entries({
      shop: { match: { hostname: "Shop.example.com" }, target: { instance: "vm-1", port: 80 } },
      blog: { match: { hostname: "bücher.example" }, target: { instance: "vm-2", port: 80 } },
      dev: { match: { hostname: "{one}.dev.example.com" }, target: { instance: "{one}", port: 80 } },
      pool: {
        match: { hostname: "pool.example.com" },
        targets: [
          { instance: "vm-1", port: 80 },
          { service: "Web", port: 80 },
        ],
      },
    })) {
      const tags = { kind: name.length > 3 ? "long" : "short" };
      const reply = await api.call({
        method: "POST",
        path: "/ingresses",
        json: { name, tags, rules: [rule] },
      });
      expect(reply.status, reply.text).toBe(201);
    }
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const names = async (query: string, path = "/ingresses"): Promise<readonly string[]> =>
    (await api.call({ path: `${path}?${query}` }))
      .json<readonly Ingress[]>()
      .map(({ name }) => name)
      .sort();

  it.each([
    ["name=shop", ["shop"]],
    ["name=sho", []],
    ["hostname=SHOP.example.com.", ["shop"]],
    ["hostname=xn--bcher-kva.example", ["blog"]],
    ["hostname=%7Bother%7D.dev.example.com", ["dev"]],
    ["hostname=*.dev.example.com", ["dev"]],
    ["hostname=x.dev.example.com", []],
    ["instance=vm-1", ["pool", "shop"]],
    ["instance=vm", []],
    ["q=EXAMPLE.com", ["dev", "pool", "shop"]],
    ["q=web", ["pool"]],
    ["q=", ["blog", "dev", "pool", "shop"]],
    ["tags[kind]=long&q=vm-1", ["pool", "shop"]],
    ["tags[kind]=short&tags[kind]=short", ["dev"]],
    ["state=set-aside&q=vm-1", []],
  ])("?%s selects %j", async (query, selected) => {
    expect(await names(query)).toEqual(selected);
  });

  it("selects instances by name and by part", async () => {
    expect(await names("name=vm-2", "/instances")).toEqual(["vm-2"]);
    expect(await names("q=VM", "/instances")).toEqual(["vm-1", "vm-2"]);
  });

  it("keeps the selection from page to page", async () => {
    const page = await api.call({ path: "/ingresses?instance=vm-1&limit=1" });
    const next = /<([^>]+)>/.exec(String(page.headers.link))?.[1] ?? "";
    expect(page.json<readonly Ingress[]>().length).toBe(1);
    const last = await api.call({ path: next });
    expect([last.json<readonly Ingress[]>().length, last.headers.link]).toEqual([1, undefined]);
  });

  it.each(documentedOperations().filter(({ scopes }) => scopes.length > 0))(
    "$method $path refuses unknown keys and knows those that are documented",
    async ({ method, path, queryKeys }) => {
      const address = path.replace("{id}", "nobody");
      const unknown = await api.call({ method, path: `${address}?no_such_key=1` });
      expect([unknown.status, unknown.json()["message"]]).toEqual([
        400,
        expect.stringContaining('"no_such_key" in query has an error: it is unknown'),
      ]);
      for (const key of queryKeys) {
        const query = `${key === "tags" ? "tags[a]" : key}=1`;
        // A stream of events has no end.
        const headers = { Accept: "application/json" };
        const reply = await api.call({ method, path: `${address}?${query}`, headers });
        // The list of events has the refusals of before.
        expect([key, reply.status === 400 && reply.text.includes("it is unknown")]).toEqual([key, false]);
      }
    },
  );
});

it("C9: a name whose deletion is under way is not taken for the start of another one's id", async () => {
  await using api = await startApi({
    ingresses: [
      { ...sketch(1), name: "w" },
      { ...sketch(2), id: "w1234567", name: "other" },
    ],
  });
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  api.world.store.beforeCommit = () => {
    entered.resolve();
    return release.promise;
  };
  const first = api.call({ method: "DELETE", path: "/ingresses/w" });
  await entered.promise;
  const second = api.call({ method: "DELETE", path: "/ingresses/w" });
  expect((await api.call({ path: "/ingresses/w" })).json()["name"]).toBe("w");
  release.resolve();
  expect([(await first).status, (await second).status]).toEqual([204, 404]);
  expect((await api.call({ path: "/ingresses/other" })).status).toBe(200);
});

it("C11: an unknown instance is answered with the nearest one and the way to add it", async () => {
  await using api = await startApi({ instances });
  const json = {
    name: "a",
    rules: [{ match: { hostname: "a.example.com" }, target: { instance: "mv-1", port: 80 } }],
  };
  const reply = await api.call({ method: "POST", path: "/ingresses", json });
  expect(reply.json()["message"]).toBe(
    'target instance not found: instance "mv-1" not found; the nearest name is "vm-1"; GET /instances lists what there is, PUT /instances/mv-1 adds one',
  );
});
