import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import type { Token } from "../../../src/model/api.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { call, rule } from "../../support/api.ts";
import { startEtcd } from "../../support/etcd.ts";
import { storeKey } from "../../support/etcd-store.ts";
import { type Gatewright, startGatewright } from "../../support/gatewright.ts";
import { CliHome } from "../../support/run-cli.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

const etcd = use(() => startEtcd());
const folder = use(() => temporaryFolder());

const program = resolve(import.meta.dirname, "../../../bin/gatewright.mjs");
const paths = ["/ingresses", "/instances", "/instances/web-0/traffic", "/certificates", "/tokens"];

async function answersOf({ url }: Gatewright): Promise<readonly string[]> {
  return Promise.all(paths.map(async (path) => (await call(`${url}${path}`)).text));
}

/** Makes something of everything that is stored; returns the text of a token. */
async function fill({ url }: Gatewright): Promise<string> {
  const send = async <Body>(path: string, body: object, method = "POST") => {
    const answer = await call<Body>(`${url}${path}`, { method, body });
    expect(answer.status, answer.text).toBeLessThan(300);
    return answer.body;
  };
  for (let index = 0; index < 5; index += 1)
    await send(`/instances/web-${index}`, { network: { ip: "127.0.0.1" } }, "PUT");
  await send("/instances/web-0/traffic", { mode: "drain" }, "PUT");
  const many = Array.from({ length: 3000 }, (_, index) => ({
    name: `many-${index}`,
    rules: [rule(`many-${index}.example.com`, `web-${index % 5}`, 80)],
  }));
  await send("/apply", many);
  const { certificate, key } = await (await createTestAuthority()).issue({ names: ["a.example.com"] });
  await send("/certificates", { name: "site", certificate_pem: certificate, key_pem: key });
  return (await send<Token>("/tokens", { name: "ci", scopes: ["*"] })).token ?? "";
}

it("documents move to etcd and back, whole or not at all, and are answered as before", async () => {
  const dataDir = join(folder.path, "first");
  await using first = await startGatewright({ DATA_DIR: dataDir });
  const token = await fill(first);
  const before = await answersOf(first);
  const shared = {
    STORE: "etcd",
    ETCD_ENDPOINTS: etcd.endpoints.join(),
    STORE_KEY: storeKey,
    GATEWAY_NAME: "one",
  };
  const env = { ...shared, DATA_DIR: dataDir };
  using home = new CliHome();
  const migrate = (to: string, more: { [name: string]: string } = {}) =>
    home.run(["store", "migrate", "--to", to], { env: { ...env, ...more } });
  // Its folders are the running Gatewright's.
  expect((await migrate("etcd")).code).not.toBe(0);
  await first.stop();

  const key = Buffer.from("/gatewright/sets/").toString("base64");
  const end = Buffer.from("/gatewright/sets0").toString("base64");
  const keys = async () =>
    Number((await etcd.call("/v3/kv/range", { key, range_end: end, count_only: true })).count ?? 0);
  const cut = spawn(process.execPath, [program, "store", "migrate", "--to", "etcd"], {
    env: { PATH: process.env["PATH"], HOME: home.path, ...env },
    stdio: "ignore",
  });
  const ended = once(cut, "exit");
  await until(async () => (await keys()) > 0 || cut.exitCode !== null);
  cut.kill("SIGKILL");
  await ended;
  expect(await keys()).toBeLessThan(3000);
  await expect(first.start({ environment: shared })).rejects.toThrow(/store migrate --to etcd.*again/s);
  const other = await migrate("etcd", { DATA_DIR: join(folder.path, "elsewhere") });
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("another DATA_DIR")]);

  const done = await migrate("etcd");
  expect([done.code, done.stderr]).toEqual([
    0,
    expect.stringContaining("3000 ingresses, 5 instances, 1 traffic"),
  ]);
  expect((await migrate("etcd")).stderr).toContain("etcd has documents");
  await first.start({ environment: shared });
  await until(async () => (await answersOf(first)).every((text, index) => text === before[index]));
  const headers = { authorization: `Bearer ${token}` };
  expect((await call(`${first.url}/ingresses?limit=1`, { headers })).status).toBe(200);
  const late = await call(`${first.url}/instances/late`, {
    method: "PUT",
    body: { network: { ip: "127.0.0.1" } },
  });
  expect(late.status).toBe(201);
  const after = await answersOf(first);

  const back = { DATA_DIR: join(folder.path, "second") };
  expect((await migrate("files", back)).stderr).toContain("gateways run on this etcd: one");
  await first.stop();
  expect((await migrate("files")).stderr).toContain("has documents already");
  const returned = await migrate("files", back);
  expect([returned.code, returned.stderr]).toEqual([0, expect.stringContaining("6 instances")]);
  // Rules have the port that they were made with, which its Caddy holds.
  const ports = { HTTP_PORT: String(first.ports.http), HTTPS_PORT: String(first.ports.https) };
  process.kill(await first.caddyPid(), "SIGKILL");
  await using second = await startGatewright({ ...back, ...ports });
  await until(async () => (await answersOf(second)).every((text, index) => text === after[index]));
  await second.stop();
  process.kill(await second.caddyPid(), "SIGKILL");
  // Nothing was taken from where it came from.
  await first.start({ environment: { STORE: "files" } });
  expect(await answersOf(first)).toEqual(before);
}, 120_000);
