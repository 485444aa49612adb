import { expect, it } from "vitest";
import type { Ingress, SetAsideIngress } from "../../src/model/api.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";

/** One that claims `shop.example.com`; of two the one changed last is served. */
const stored = (id: string, second: number): Ingress => ({
  id,
  name: `n-${id}`,
  tags: { team: id },
  rules: [
    {
      match: { hostname: "shop.example.com", port: 80 },
      target: { instance: `vm-${second}`, port: 80 },
      tls: false,
      redirect_http: false,
    },
  ],
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: `2026-01-01T00:00:0${second}.000Z`,
});

const start = () =>
  startApi({
    ingresses: [stored("aaa1", 1), stored("bbb2", 2)],
    instances: ["vm-1", "vm-2"].map((name) => instanceFrom({ name })),
  });

it("lists what is set aside apart, and selects it as the others", async () => {
  await using api = await start();
  const ids = async (query: string): Promise<readonly string[]> =>
    (await api.call({ path: `/ingresses${query}` })).json<readonly { id: string }[]>().map(({ id }) => id);
  expect([await ids(""), await ids("?state=served"), await ids("?state=set-aside")]).toEqual([
    ["bbb2"],
    ["bbb2"],
    ["aaa1"],
  ]);
  for (const query of [
    "name=n-aaa1",
    "hostname=SHOP.example.com",
    "instance=vm-1",
    "q=aaa",
    "q=SHOP",
    "tags[team]=aaa1",
    "limit=1",
  ])
    expect([query, await ids(`?state=set-aside&${query}`)]).toEqual([query, ["aaa1"]]);
  for (const query of ["name=n-bbb2", "hostname=a.example.com", "instance=vm-2", "q=bbb", "cursor=aaa1"])
    expect([query, await ids(`?state=set-aside&${query}`)]).toEqual([query, []]);
});

it("says of one that is set aside why it is not served, and mends or deletes it", async () => {
  await using api = await start();
  const [aside] = (await api.call({ path: "/ingresses?state=set-aside" })).json<readonly SetAsideIngress[]>();
  for (const call of [
    { path: "/ingresses/aaa1" },
    { path: "/ingresses/aaa1/status" },
    { method: "PATCH", path: "/ingresses/aaa1", json: { tags: {} } },
  ]) {
    const reply = await api.call(call);
    expect([reply.status, reply.json()]).toEqual([
      409,
      {
        code: "ingress_set_aside",
        message: `ingress aaa1 is set aside and not served: ${aside?.problems[0]?.message}; replace it (PUT) or delete it, GET /ingresses?state=set-aside shows it`,
        details: aside?.problems,
      },
    ]);
  }
  const { id: _, created_at, updated_at, ...document } = stored("aaa1", 1);
  const [rule] = document.rules;
  const rules = [{ ...rule, match: { hostname: "other.example.com" } }];
  const put = { method: "PUT", path: "/ingresses/aaa1" };
  const other = await api.call({ ...put, json: { ...document, rules, id: "bbb2" } });
  expect([other.status, other.json()["code"]]).toEqual([400, "bad_request"]);
  expect((await api.call({ ...put, json: { ...document, rules, id: "aaa1" } })).status).toBe(200);
  expect((await api.call({ path: "/ingresses/aaa1" })).status).toBe(200);
  expect((await api.call({ path: "/ingresses?state=set-aside" })).json()).toEqual([]);
  await using again = await start();
  expect((await again.call({ method: "DELETE", path: "/ingresses/aaa1" })).status).toBe(204);
  expect((await again.call({ path: "/ingresses?state=set-aside" })).json()).toEqual([]);
});
