import { expect, it } from "vitest";
import type { Certificate } from "../../src/model/api.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { startApi } from "../support/http-api.ts";
import { use } from "../support/use.ts";

const api = use(() => startApi());

it("imports with 201 and Location, replaces with 200, shows, lists and deletes, and tells no key", async () => {
  const authority = await createTestAuthority();
  const importPair = async (name?: string) => {
    const { certificate, key } = await authority.issue({ names: ["shop.test"] });
    const json = {
      ...(name === undefined ? {} : { name }),
      certificate_pem: certificate,
      key_pem: key,
    };
    return { key, reply: await api.call({ method: "POST", path: "/certificates", json }) };
  };
  const { key, reply: made } = await importPair("site");
  const { id } = made.json<Certificate>();
  expect([made.status, made.headers.location]).toEqual([201, `/certificates/${id}`]);
  expect(made.json()).toMatchObject({ name: "site" });
  const { reply: replaced } = await importPair("site");
  expect([replaced.status, replaced.headers.location, replaced.json()["id"]]).toEqual([200, undefined, id]);
  const { reply: other } = await importPair();
  const list = await api.call({ path: "/certificates" });
  expect([list.status, list.json<readonly Certificate[]>().map((one) => one.id)]).toEqual([
    200,
    [id, other.json<Certificate>().id].sort(),
  ]);
  for (const reference of [id, "site"])
    expect((await api.call({ path: `/certificates/${reference}` })).text).toBe(replaced.text);
  for (const { text } of [made, replaced, list]) expect(text).not.toContain(key.split("\n")[1]);
  const remove = () => api.call({ method: "DELETE", path: "/certificates/site" });
  const deleted = await remove();
  expect([deleted.status, deleted.text]).toEqual([204, ""]);
  for (const reply of [await remove(), await api.call({ path: "/certificates/site" })])
    expect([reply.status, reply.json()["code"]]).toEqual([404, "not_found"]);
});

it("refuses what is no pair, and stores nothing", async () => {
  const before = (await api.call({ path: "/certificates" })).text;
  const json = { certificate_pem: "no certificate", key_pem: "no key" };
  const reply = await api.call({ method: "POST", path: "/certificates", json });
  expect([reply.status, reply.json()["code"]]).toEqual([400, "bad_request"]);
  expect((await api.call({ path: "/certificates" })).text).toBe(before);
});
