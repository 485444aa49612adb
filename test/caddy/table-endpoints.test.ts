import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminAddress } from "../../src/caddy/admin-address.ts";
import { type AdminClient, createAdminClient } from "../../src/caddy/admin-client.ts";
import type { CaddyProcess } from "../../src/caddy/caddy-process.ts";
import { caddyLogging, caddyLogPath } from "../../src/caddy/log-settings.ts";
import { createCaddyProcess } from "../../src/caddy/process.ts";
import type { CompilerSettings } from "../../src/compiler/settings.ts";
import type { Ingress } from "../../src/model/api.ts";
import { type Compiled, compile } from "../support/compile.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { freePort } from "../support/free-port.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";
import { type CaddyFolder, makeCaddyFolder, portsOf } from "./caddy-folder.ts";

let place: CaddyFolder;
let caddy: CaddyProcess;
let client: AdminClient;
let settings: CompilerSettings;
let port: number;

const ingress = (id: string, hostname: string): Ingress =>
  ingressOf(id, { rules: [ruleOf({ hostname, port })] });

async function write({ config, table }: Compiled): Promise<void> {
  await writeFile(path.join(place.folder, "config.json"), JSON.stringify(config));
  await writeFile(path.join(place.folder, "table.json"), JSON.stringify(table));
}

beforeAll(async () => {
  place = await makeCaddyFolder();
  port = await freePort();
  const { listen, origins } = adminAddress("127.0.0.1", place.adminPort);
  settings = compilerSettings({
    folder: place.folder,
    admin: { listen, origins },
    logging: caddyLogging(place.folder, "INFO"),
  });
  const prepare = () => write(compile([ingress("one", "one.example.com")], settings));
  caddy = createCaddyProcess({ ...place, logger: recordingLogger(), prepare });
  await caddy.start();
  client = createAdminClient({ adminUrl: place.adminUrl });
});

afterAll(async () => {
  await client.close();
  await caddy.stop();
  await place[Symbol.asyncDispose]();
});

test("a fresh Caddy runs the versions of the files that it was started with", async () => {
  const { config, table } = compile([ingress("one", "one.example.com")], settings);
  expect(await client.running()).toEqual({
    config: config.apps.gatewright.version,
    table: table.version,
    generation: 1,
    changes: 1,
    staged: false,
  });
  expect(await portsOf(client)).toEqual([port]);
});

test("a delta moves the table from version to version, and is refused from another one", async () => {
  const from = (await client.running()).table;
  const { table } = compile([ingress("one", "one.example.com"), ingress("two", "two.example.com")], settings);
  const upsert = table.rows.filter((row) => row.id.startsWith("two"));
  await client.patchTable({ from, to: table.version, remove: [], upsert });
  expect((await client.running()).table).toBe(table.version);
  await expect(client.patchTable({ from, to: "later", remove: [], upsert })).rejects.toMatchObject({
    code: "store_conflict",
  });
  expect((await client.running()).table).toBe(table.version);
});

test("a row that Caddy refuses changes nothing and is named", async () => {
  const before = await client.running();
  const row = {
    id: "bad/0",
    ingress: "bad",
    port,
    host: "bad.example.com",
    policy: "no such set",
    targets: [],
  };
  await expect(
    client.patchTable({ from: before.table, to: "next", remove: [], upsert: [row] }),
  ).rejects.toMatchObject({ code: "config_validation_failed", message: expect.stringContaining("bad/0") });
  expect(await client.running()).toEqual(before);
});

test("the whole table is replaced, and a load leaves it as it is", async () => {
  const { config, table } = compile([ingress("three", "three.example.com")], settings);
  await client.replaceTable(table);
  await client.load({
    ...config,
    apps: { ...config.apps, gatewright: { ...config.apps.gatewright, version: "v2" } },
  });
  expect(await client.running()).toEqual({
    config: "v2",
    table: table.version,
    generation: 2,
    changes: 3,
    staged: false,
  });
});

test("addresses are taken", async () => {
  await client.pushAddresses({
    names: { "web-1": { addresses: ["127.0.0.1"] } },
    flush: true,
  });
});

test("Caddy's own log is JSON lines in its file, 0600, without a line for each of our requests", async () => {
  const text = await readFile(caddyLogPath(place.folder), "utf8");
  const entries = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { logger?: string });
  expect(entries.length).toBeGreaterThan(0);
  expect(entries.filter((entry) => entry.logger === "admin.api")).toEqual([]);
});
