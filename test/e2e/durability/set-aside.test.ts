import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Ingress, SetAsideIngress } from "../../../src/model/api.ts";
import { type Answer, call, rule, visit } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const gatewright = useGatewright({}, ["web-1"]);
const backend = use(() => startBackend());

afterEach(async () => {
  const { body: present } = await call<Ingress[]>(`${gatewright.url}/ingresses`);
  for (const { id } of [...present, ...(await setAside())]) expect((await remove(id)).status).toBe(204);
});

const create = (name: string, ...hosts: readonly string[]): Promise<Answer<Ingress>> =>
  gatewright.create(name, ...hosts.map((host) => rule(host, "web-1", backend.port)));

const fileOf = (id: string): string => join(gatewright.dataDir, "ingresses", `${id}.json`);

/** Changes stored documents while nobody serves them. */
async function edit(changes: { readonly [id: string]: (document: Ingress) => unknown }): Promise<void> {
  await gatewright.stop();
  for (const [id, change] of Object.entries(changes)) {
    const changed = change(JSON.parse(await readFile(fileOf(id), "utf8")) as Ingress);
    await writeFile(fileOf(id), typeof changed === "string" ? changed : JSON.stringify(changed));
  }
  await gatewright.start();
}

const restart = (): Promise<void> => edit({});

const setAside = async (): Promise<readonly SetAsideIngress[]> =>
  (await call<SetAsideIngress[]>(`${gatewright.url}/ingresses?state=set-aside`)).body;

const names = async (): Promise<readonly string[]> =>
  (await call<Ingress[]>(`${gatewright.url}/ingresses`)).body.map(({ name }) => name).sort();

const reasons = async (): Promise<string> =>
  (await call<{ reasons: string[] }>(`${gatewright.url}/ready`)).body.reasons.join("\n");

const served = async (host: string): Promise<number> => (await visit(gatewright.ports.http, host)).status;

const put = (id: string, name: string, ...hosts: readonly string[]): Promise<Answer<Ingress>> =>
  call<Ingress>(`${gatewright.url}/ingresses/${id}`, {
    method: "PUT",
    body: { name, rules: hosts.map((host) => rule(host, "web-1", backend.port)) },
  });

const remove = (id: string): Promise<Answer> =>
  call(`${gatewright.url}/ingresses/${id}`, { method: "DELETE" });

/** `older` and `newer` both name contested.test; `older` is named first in the alphabet of ids where it matters. */
async function conflict(): Promise<{ readonly older: string; readonly newer: string }> {
  const one = (await create("one", "one.test")).body.id;
  const two = (await create("two", "two.test")).body.id;
  // The id that a start reads first is the one that was changed first.
  const [older, newer] = one < two ? [one, two] : [two, one];
  const contest =
    (year: string) =>
    (document: Ingress): Ingress => ({
      ...document,
      updated_at: `${year}-01-01T00:00:00.000Z`,
      rules: [
        ...document.rules,
        ...document.rules.map((own) => ({ ...own, match: { ...own.match, hostname: "contested.test" } })),
      ],
    });
  await edit({ [older]: contest("2024"), [newer]: contest("2025") });
  return { older, newer };
}

describe("C3: stored ingresses that conflict", () => {
  it("what was acknowledged last is served, the other is listed with what stands against it", async () => {
    const { older, newer } = await conflict();
    const [entry, ...more] = await setAside();
    expect(more).toEqual([]);
    expect(entry).toMatchObject({ id: older, reason: "conflict", ingress: { id: older } });
    expect(entry?.problems).toMatchObject([{ code: "hostname_in_use", field: "rules[1].match.hostname" }]);
    expect(entry?.hostnames).toContain("contested.test");
    expect((await call<Ingress[]>(`${gatewright.url}/ingresses`)).body.map(({ id }) => id)).toEqual([newer]);
    expect(await reasons()).toContain(older);
    const answer = await call<{ code: string }>(`${gatewright.url}/ingresses/${older}`);
    expect(answer).toMatchObject({ status: 409, body: { code: "ingress_set_aside" } });
  });

  it("keep their name and claims, so that nothing acknowledged later is dropped by a start", async () => {
    const { older, newer } = await conflict();
    const [entry] = await setAside();
    const host = entry?.hostnames.find((name) => name !== "contested.test") ?? "";
    expect((await create("third", host)).body).toMatchObject({ code: "hostname_in_use" });
    expect((await create(entry?.name ?? "", "free.test")).body).toMatchObject({ code: "already_exists" });
    // The winner goes on being changed, also where both name the same.
    expect((await put(newer, "winner", "contested.test", host)).status).toBe(200);
    await restart();
    expect(await names()).toEqual(["winner"]);
    expect((await setAside()).map(({ id }) => id)).toEqual([older]);
    expect(await served(host)).toBe(200);
  });

  it("are mended by PUT and deleted by DELETE, for good", async () => {
    const { older, newer } = await conflict();
    const [entry] = await setAside();
    const mended = await put(older, entry?.name ?? "", "mended.test");
    expect(mended).toMatchObject({
      status: 200,
      body: { id: older, created_at: entry?.ingress?.created_at },
    });
    expect(await served("mended.test")).toBe(200);
    expect(await setAside()).toEqual([]);
    expect(await reasons()).toBe("");
    await restart();
    expect(await names()).toHaveLength(2);
    await edit({
      [older]: (document) => ({
        ...document,
        updated_at: "2020-01-01T00:00:00.000Z",
        rules: document.rules.map((own) => ({ ...own, match: { ...own.match, hostname: "contested.test" } })),
      }),
    });
    expect((await setAside()).map(({ id }) => id)).toEqual([older]);
    expect((await remove(entry?.name ?? "")).status).toBe(204);
    expect((await create(entry?.name ?? "", "mended.test")).status).toBe(201);
    await restart();
    expect(await setAside()).toEqual([]);
    expect(await reasons()).toBe("");
    expect((await call(`${gatewright.url}/ingresses/${newer}`)).status).toBe(200);
  });
});

describe("C3: stored ingresses that cannot be read", () => {
  it("are listed, keep name, hostnames and ports, and are mended or deleted over the API", async () => {
    const { id } = (await create("broken", "broken.test")).body;
    const beside = (await create("beside", "beside.test")).body;
    const port = await freePort();
    const layer4 = await call<Ingress>(`${gatewright.url}/ingresses`, {
      body: {
        name: "layer4",
        rules: [{ match: { protocol: "tcp", port }, target: { instance: "web-1", port: backend.port } }],
      },
    });
    expect(layer4.status).toBe(201);
    const cut = (document: Ingress): string => `${JSON.stringify(document).slice(0, -4)}`;
    await edit({
      [id]: cut,
      [layer4.body.id]: cut,
      // It shares a host with the damaged file, and goes on being served.
      [beside.id]: (document) => ({
        ...document,
        rules: [
          ...document.rules,
          {
            ...document.rules[0],
            match: {
              ...document.rules[0]?.match,
              hostname: "broken.test",
              path: { type: "prefix", value: "/x" },
            },
          },
        ],
      }),
    });
    expect(await names()).toEqual(["beside"]);
    expect((await visit(gatewright.ports.http, "broken.test", "/x")).status).toBe(200);
    const listed = await setAside();
    expect(listed.map((entry) => entry.id)).toEqual([id, layer4.body.id].sort());
    expect(listed.find((entry) => entry.id === id)).toMatchObject({
      name: "broken",
      reason: "unreadable",
      problems: [{ code: "ingress_unreadable" }],
      hostnames: ["broken.test"],
    });
    expect(listed.find((entry) => entry.id === id)?.text).toContain('"broken.test"');
    expect((await create("broken", "other.test")).body).toMatchObject({ code: "already_exists" });
    expect((await create("other", "broken.test")).body).toMatchObject({ code: "hostname_in_use" });
    const taken = await call<{ code: string }>(`${gatewright.url}/ingresses`, {
      body: {
        name: "tcp",
        rules: [{ match: { protocol: "tcp", port }, target: { instance: "web-1", port: backend.port } }],
      },
    });
    expect(taken.body).toMatchObject({ code: "port_in_use" });
    expect((await put(beside.id, "beside", "beside.test", "broken.test")).status).toBe(200);
    expect((await put(beside.id, "beside", "beside.test")).status).toBe(200);

    expect((await put(id, "broken", "broken.test")).status).toBe(200);
    expect(await served("broken.test")).toBe(200);
    expect((await remove(layer4.body.id)).status).toBe(204);
    expect(await setAside()).toEqual([]);
    await restart();
    expect(await setAside()).toEqual([]);
    expect(await names()).toEqual(["beside", "broken"]);
    expect(await reasons()).toBe("");
  });
});
