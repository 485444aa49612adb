import { expect, it } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import { call } from "../support/api.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { use } from "../support/use.ts";

const api = use(() => startApi({ instances: [instanceFrom({ name: "web-1" })] }));

const create = (name: string, hostname = `${name}.test`) =>
  call(`${api.url}/ingresses`, {
    body: { name, rules: [{ match: { hostname }, target: { instance: "web-1", port: 80 } }] },
  });

async function names(query: string): Promise<{ names: readonly string[]; total: string | undefined }> {
  const reply = await api.call({ path: `/ingresses?${query}` });
  expect(reply.status).toBe(200);
  const total = reply.headers["x-total-count"];
  return { names: reply.json<readonly Ingress[]>().map(({ name }) => name), total: total as string };
}

it("lists by name, in pages that begin anywhere, with the number of all", async () => {
  // Ids are searched too, and are random letters: what is asked for has a dot.
  for (const name of ["pear", "apple", "plum"])
    expect((await create(name, `${name}.pips.test`)).status).toBe(201);
  expect((await create("fig")).status).toBe(201);
  expect(await names("sort=name&offset=1&limit=2")).toEqual({ names: ["fig", "pear"], total: "4" });
  expect(await names("sort=name&offset=3&limit=2")).toEqual({ names: ["plum"], total: "4" });
  expect(await names("sort=name&offset=9")).toEqual({ names: [], total: "4" });
  expect(await names("sort=name&offset=0&q=.pips&limit=2")).toEqual({ names: ["apple", "pear"], total: "3" });
  expect((await names("sort=name")).names).toEqual(["apple", "fig", "pear", "plum"]);
});

it("keeps the order through changes of names, deletions and creations", async () => {
  const rename = { method: "PATCH", body: { name: "zebra" } };
  expect((await call(`${api.url}/ingresses/fig`, rename)).status).toBe(200);
  expect((await api.call({ method: "DELETE", path: "/ingresses/pear" })).status).toBe(204);
  expect((await create("fig", "second-fig.test")).status).toBe(201);
  expect((await create("banana")).status).toBe(201);
  expect((await api.call({ method: "DELETE", path: "/ingresses/banana" })).status).toBe(204);
  expect((await names("sort=name&offset=0")).names).toEqual(["apple", "fig", "plum", "zebra"]);
});

it.each([
  ["offset=1&cursor=a", "offset"],
  ["sort=name&limit=2", "sort"],
  ["offset=-1", "offset"],
  ["sort=size", "sort"],
])("refuses %s", async (query, parameter) => {
  const reply = await api.call({ path: `/ingresses?${query}` });
  expect([reply.status, reply.json<{ message: string }>().message]).toEqual([
    400,
    expect.stringContaining(`parameter "${parameter}"`),
  ]);
});
