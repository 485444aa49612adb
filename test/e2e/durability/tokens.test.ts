import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Ingress, Token } from "../../../src/model/api.ts";
import { call } from "../../support/api.ts";
import { token as admin, inform, jwtSecret } from "../../support/authorized.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const site = useGatewright({ JWT_SECRET: jwtSecret });

/** Caddy, which goes on, has none of it. */
async function noFileHas(secret: string): Promise<void> {
  const files = await readdir(site.dataDir, { recursive: true });
  const ours = files.filter((file) => !file.startsWith("caddy") && !file.startsWith("system"));
  const read: string[] = [];
  for (const file of ours) {
    const path = join(site.dataDir, file);
    if (!(await stat(path)).isFile()) continue;
    read.push(file);
    expect([file, (await readFile(path, "latin1")).includes(secret)]).toEqual([file, false]);
  }
  expect(read.some((file) => file.startsWith("tokens/"))).toBe(true);
}

it("a token of a team, and whose an ingress is, outlive the process; no secret is in the data folder", async () => {
  await inform(site, "web-1", "127.0.0.1");
  const body = {
    name: "team-red",
    scopes: ["ingress:read", "ingress:write"],
    limits: { hostnames: ["*.red.test"] },
  };
  const made = await call<Token>(`${site.url}/tokens`, { body, headers: admin });
  const headers = { authorization: `Bearer ${made.body.token}` };
  const ingress = (name: string, hostname: string) => ({
    name,
    rules: [{ match: { hostname }, target: { instance: "web-1", port: 80 } }],
  });
  const create = (name: string, hostname: string, as: typeof headers) =>
    call<Ingress>(`${site.url}/ingresses`, { body: ingress(name, hostname), headers: as });
  expect((await create("mine", "a.red.test", headers)).body.owner).toBe("team-red");
  expect((await create("other", "other.test", admin)).status).toBe(201);
  await site.stop();
  await noFileHas(made.body.token?.slice(-43) ?? "");
  await site.start();
  const listed = await call<readonly Ingress[]>(`${site.url}/ingresses`, { headers });
  expect(listed.body.map(({ name, owner }) => [name, owner])).toEqual([["mine", "team-red"]]);
  expect((await create("beyond", "b.blue.test", headers)).status).toBe(403);
  expect((await call(`${site.url}/ingresses?state=set-aside`, { headers: admin })).body).toEqual([]);
  expect((await call(`${site.url}/tokens/team-red`, { method: "DELETE", headers: admin })).status).toBe(204);
  await site.stop();
  await site.start();
  expect((await call(`${site.url}/ingresses`, { headers })).status).toBe(401);
});
