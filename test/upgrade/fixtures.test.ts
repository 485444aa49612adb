import { cpSync, readdirSync, readFileSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Ingress, Revision } from "../../src/model/api.ts";
import { call, visit } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { failedStart } from "../support/failed-start.ts";
import { startGatewright } from "../support/gatewright.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const names = readdirSync(fixtures).filter((name) => name.startsWith("data-dir-"));

/** A copy of a data folder, of this user alone. */
async function copyOf(name: string): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await temporaryFolder();
  cpSync(join(fixtures, name), folder.path, { recursive: true });
  await chmod(folder.path, 0o700);
  return folder;
}

describe.each(names)("%s, the data folder of an earlier version", (name) => {
  test("is started on: everything is there and served", async () => {
    const { token } = JSON.parse(readFileSync(join(fixtures, name, "expected.json"), "utf8"));
    await using folder = await copyOf(name);
    await using backend = await startBackend("web");
    await using gatewright = await startGatewright({ DATA_DIR: folder.path, JWT_SECRET: "k".repeat(32) });
    const { url } = gatewright;
    const authorization = `Bearer ${token}`;
    const get = async <Body>(path: string) =>
      (await call<Body>(`${url}${path}`, { headers: { authorization } })).body;

    const ingresses = await get<readonly Ingress[]>("/ingresses");
    expect(ingresses.map((one) => one.name).sort()).toEqual(["dev", "secure", "shop"]);
    expect(ingresses.find((one) => one.name === "shop")?.tags).toEqual({ team: "shop" });
    const revisions = await get<readonly Revision[]>("/revisions");
    // Four were made, one of them deleted and one changed.
    expect(revisions).toHaveLength(6);
    const metrics = await call(`${url}/ready`);
    expect(metrics.body).toMatchObject({ status: "ready", reasons: [] });
    expect(gatewright.output()).not.toContain('"level":"error"');
    expect((await visit(9473, "shop.example.com")).status).toBe(502);
    expect((await visit(9473, "nobody.example.com")).status).toBe(404);
    expect(backend.requests()).toBe(0);
    expect(JSON.parse(await readFile(join(folder.path, "format.json"), "utf8"))).toMatchObject({ format: 1 });
  });
});

test("a folder of a newer version is refused by name, and nothing in it is changed", async () => {
  await using folder = await copyOf(names[0] ?? "");
  const file = join(folder.path, "format.json");
  await writeFile(file, '{"format":2,"gatewright":"0.9.0"}\n');
  const before = readdirSync(folder.path, { recursive: true }).sort();
  const { code, output } = await failedStart({ DATA_DIR: folder.path });
  expect(code).toBe(1);
  expect(output).toMatch(
    /config_invalid: .* was written by Gatewright 0\.9\.0, in form 2.*Nothing was changed/,
  );
  expect(readdirSync(folder.path, { recursive: true }).sort()).toEqual(before);
  expect(await readFile(file, "utf8")).toBe('{"format":2,"gatewright":"0.9.0"}\n');
});

test("a form that was cut off by a crash is written again", async () => {
  await using folder = await copyOf(names[0] ?? "");
  await writeFile(join(folder.path, "format.json"), '{"for');
  await using gatewright = await startGatewright({ DATA_DIR: folder.path });
  expect((await call(`${gatewright.url}/ready`)).status).toBe(200);
  expect(JSON.parse(await readFile(join(folder.path, "format.json"), "utf8"))).toMatchObject({ format: 1 });
});
