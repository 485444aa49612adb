import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { identify } from "../../../src/caddy/process-identity.ts";
import { rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { builtCaddy } from "../../support/caddy-binary.ts";
import { startClients } from "../../support/steady-clients.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const folder = use(() => temporaryFolder());
const backend = use(() => startBackend());
const gatewright = useGatewright(async () => ({ CADDY_BIN: await copyOfCaddy() }), ["web-1"]);
const isAlive = (pid: number): boolean => identify(pid) !== undefined;
let builds = 0;

async function copyOfCaddy(): Promise<string> {
  const copy = join(folder.path, "older");
  await copyFile(await builtCaddy(), copy);
  return copy;
}

/** Builds that a test ends. */
interface Builds {
  /** Lets the build that is under way end. */
  finish(): Promise<void>;
  /** Process number of the build. */
  pid(): Promise<number>;
}

/** Starts the manager with a Go in the place of the real one, for which the Caddy of this source has to be built. */
async function startBuilding(outcome: string): Promise<Builds> {
  builds += 1;
  const place = join(folder.path, `go-${builds}`);
  const [pid, done] = [`${place}.pid`, `${place}.done`];
  await mkdir(place);
  const wait = `echo $$ > ${pid}\nwhile [ ! -e ${done} ]; do sleep 0.05; done\n`;
  const output = 'while [ "$1" != -o ]; do shift; done\n';
  await writeFile(join(place, "go"), `#!/bin/sh\n${wait}${output}${outcome}\n`, { mode: 0o755 });
  await gatewright.start({ environment: { CADDY_BIN: "", PATH: `${place}:${process.env["PATH"]}` } });
  return {
    finish: () => writeFile(done, ""),
    pid: async () => {
      await until(async () => (await readFile(pid, "utf8").catch(() => "")).endsWith("\n"));
      return Number(await readFile(pid, "utf8"));
    },
  };
}

afterEach(async () => {
  await gatewright.stop();
});

it("the API serves with the Caddy that runs while a newer one is built, which then takes over", async () => {
  const host = "steady.test";
  const { http } = gatewright.ports;
  await gatewright.make("steady", rule(host, "web-1", backend.port));
  const older = await gatewright.caddyPid();
  const clients = startClients(http, host, [0, 1, 20]);
  await gatewright.stop();
  // Resolves when `/ready` answers 200.
  const building = await startBuilding(`cp ${await builtCaddy()} "$2"`);
  expect(isAlive(await building.pid())).toBe(true);
  await gatewright.make("meanwhile", rule("meanwhile.test", "web-1", backend.port));
  expect(await gatewright.reach("meanwhile.test")).toBe(200);
  expect(await gatewright.caddyPid()).toBe(older);
  await building.finish();
  await until(async () => (await gatewright.caddyPid()) !== older);
  await until(() => !isAlive(older));
  // The one that has replaced it is not taken for one that has ended.
  expect(gatewright.output()).not.toContain("Caddy ended");
  await gatewright.make("after", rule("after.test", "web-1", backend.port));
  expect([await gatewright.reach("meanwhile.test"), await gatewright.reach("after.test")]).toEqual([
    200, 200,
  ]);
  const { failures, requests } = await clients.stop();
  expect(failures).toEqual([]);
  expect(requests).toBeGreaterThan(100);
  // The built one is kept, and the next start neither builds nor replaces anything.
  const newer = await gatewright.caddyPid();
  process.kill(newer, "SIGKILL");
  await until(async () => (await gatewright.caddyPid()) !== newer);
  await until(async () => (await gatewright.reach("after.test")) === 200);
}, 60_000);

it("a build that fails leaves the Caddy that runs, and one that is not done ends with the manager", async () => {
  await gatewright.start({ environment: { CADDY_BIN: await copyOfCaddy() } });
  const older = await gatewright.caddyPid();
  await gatewright.stop();
  await rm(join(gatewright.dataDir, "system"), { recursive: true });
  const failing = await startBuilding("echo no such thing >&2; exit 1");
  await failing.finish();
  await until(() => gatewright.output().includes("there is no newer Caddy; the one that runs serves on"));
  expect(gatewright.output()).toContain("no such thing");
  expect([await gatewright.reach("after.test"), await gatewright.caddyPid()]).toEqual([200, older]);
  await gatewright.stop();

  const building = await startBuilding("exit 1");
  const pid = await building.pid();
  await gatewright.stop();
  await until(() => !isAlive(pid));
  expect(isAlive(older)).toBe(true);
}, 60_000);
