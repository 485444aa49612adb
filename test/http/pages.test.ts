import { describe, expect, it } from "vitest";
import type { Certificate } from "../../src/model/api.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { use } from "../support/use.ts";

const count = 5;
const names = Array.from({ length: count }, (_, index) => `one-${index}`);
const DAY_MS = 86_400_000;

const api = use(async () => {
  const started = await startApi({ instances: names.map((name) => instanceFrom({ name })) });
  for (const name of names)
    await started.tokens.create({ name, scopes: ["ingress:read"] }, { permissions: ["*"] });
  const authority = await createTestAuthority();
  // The first ends last.
  for (const [index, name] of names.entries()) {
    const notAfter = new Date(Date.now() + (count - index) * DAY_MS);
    const pair = await authority.issue({ names: [`${name}.test`], notAfter });
    await started.imported.put({ name, certificate_pem: pair.certificate, key_pem: pair.key });
  }
  return started;
});

async function page(path: string): Promise<{ names: readonly string[]; total: unknown }> {
  const reply = await api.call({ path });
  expect(reply.status, reply.text).toBe(200);
  const found = reply.json<readonly { readonly name: string }[]>();
  return { names: found.map(({ name }) => name), total: reply.headers["x-total-count"] };
}

describe.each(["/instances", "/tokens", "/certificates"])("%s", (path) => {
  const sorted = path === "/certificates" ? `${path}?sort=urgency&` : `${path}?`;
  const all = path === "/certificates" ? names.toReversed() : names;

  it("has pages that begin anywhere, with the number of all", async () => {
    expect(await page(`${sorted}offset=1&limit=2`)).toEqual({ names: all.slice(1, 3), total: "5" });
    expect(await page(`${sorted}offset=3`)).toEqual({ names: all.slice(3), total: "5" });
    expect(await page(`${sorted}limit=2`)).toEqual({ names: all.slice(0, 2), total: "5" });
    expect(await page(`${sorted}offset=99`)).toEqual({ names: [], total: "5" });
  });

  it("tells their number without one, too", async () => {
    const reply = await api.call({ method: "HEAD", path: `${sorted}limit=1` });
    expect([reply.status, reply.headers["x-total-count"]]).toEqual([200, "5"]);
  });

  it("is whole for who asks for no page", async () => {
    const { names: found, total } = await page(path);
    expect([[...found].sort(), total]).toEqual([names, undefined]);
  });

  it.each(["offset=-1", "limit=0", "limit=10001", "offset=x"])("refuses %s", async (query) => {
    const reply = await api.call({ path: `${path}?${query}` });
    expect([reply.status, reply.json()["code"]]).toEqual([400, "Bad Request"]);
  });
});

it("certificates are found by name, hostname and issuer, and those that want attention come first", async () => {
  expect(await page("/certificates?q=one-3&limit=9")).toEqual({ names: ["one-3"], total: "1" });
  expect((await page("/certificates?q=ONE-2.TEST")).names).toEqual(["one-2"]);
  const [first] = (await api.call({ path: "/certificates?sort=urgency&limit=1" })).json<
    readonly Certificate[]
  >();
  expect(first).toMatchObject({ name: "one-4", state: "ready" });
});
