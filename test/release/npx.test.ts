import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { caddyPackages } from "../../scripts/release/caddy-packages.ts";
import { createIngress, putInstance, rule, visit } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { freePorts, portSettings } from "../support/gatewright.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { startVerdaccio } from "../support/verdaccio.ts";
import { useRelease } from "./release.ts";

const MOST_MEGABYTES = 250;
const run = promisify(execFile);
const release = useRelease();

/** A folder with Node and npm and nothing else for the PATH: no Go, and none of this tree's programs. */
async function bareMachine(folder: string): Promise<NodeJS.ProcessEnv> {
  const bin = join(folder, "bin");
  const home = join(folder, "home");
  await mkdir(bin);
  await mkdir(home);
  const { stdout } = await run("sh", ["-c", "command -v npm"]);
  const npm = await realpath(stdout.trim());
  await symlink(process.execPath, join(bin, "node"));
  await symlink(npm, join(bin, "npm"));
  await symlink(join(dirname(npm), "npx-cli.js"), join(bin, "npx"));
  for (const name of ["sh", "env"]) await symlink(`/bin/${name}`, join(bin, name));
  return { HOME: home, PATH: bin };
}

/** Publishes the release, with a name alone for the platform that it was not built for. */
async function publish(folder: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const other = caddyPackages.find(({ cpu }) => cpu !== process.arch);
  const placeholder = join(folder, "placeholder");
  await mkdir(placeholder);
  const manifest = { name: other?.name, version: "0.1.0", os: ["linux"], cpu: [other?.cpu] };
  await writeFile(join(placeholder, "package.json"), JSON.stringify(manifest));
  const packages = ["gatewright-0.1.0.tgz", `gatewright-caddy-linux-${process.arch}-0.1.0.tgz`];
  for (const one of [...packages.map((name) => join(release.out, name)), placeholder])
    await run("npm", ["publish", one, "--access", "public"], { env: environment });
}

test("npx gatewright up serves on a machine with Node alone, and ends with a signal to npx", async () => {
  await using folder = await temporaryFolder();
  await using registry = await startVerdaccio(folder.path);
  if (registry === undefined) return;
  await using backend = await startBackend("behind");
  const machine = { ...(await bareMachine(folder.path)), ...registry.environment };
  await publish(folder.path, machine);

  const ports = await freePorts();
  const dataDir = join(folder.path, "home/data");
  const environment = {
    ...machine,
    DATA_DIR: dataDir,
    CADDY_STOP_ON_SHUTDOWN: "true",
    ...portSettings(ports),
  };
  const began = performance.now();
  const npx = spawn("npx", ["--yes", "gatewright", "up"], {
    env: environment,
    cwd: join(folder.path, "home"),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [npx.stdout, npx.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
  const ended = once(npx, "exit");
  const url = `http://127.0.0.1:${ports.api}`;
  await until(async () => {
    if (npx.exitCode !== null) throw new Error(`npx has ended: ${output}`);
    return (await fetch(`${url}/ready`)).ok;
  }, 120_000);
  expect((await putInstance(url, "web-1", "127.0.0.1")).status).toBe(201);
  const rules = [rule("shop.example.com", "web-1", backend.port)];
  expect((await createIngress({ url, name: "shop", rules })).status).toBe(201);
  const answer = await visit<{ backend: string }>(ports.http, "shop.example.com");
  const seconds = (performance.now() - began) / 1000;
  expect(answer.body.backend).toBe("behind");
  expect(output).not.toMatch(/building/i);
  expect((await fetch(`${url}/docs/swagger-ui.css`)).status).toBe(200);
  const page = await (await fetch(url, { headers: { accept: "text/html" } })).text();
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1];
  expect((await fetch(url + script)).status).toBe(200);

  const { stdout } = await run("du", ["-sm", join(folder.path, "home")]);
  const megabytes = Number.parseInt(stdout, 10);
  console.log(`npx to the first proxied request: ${seconds.toFixed(1)} s; ${megabytes} MB on disk`);
  expect(megabytes).toBeLessThanOrEqual(MOST_MEGABYTES);

  npx.kill("SIGTERM");
  await ended;
  await until(() =>
    fetch(`${url}/ready`).then(
      () => false,
      () => true,
    ),
  );
  await until(() =>
    visit(ports.http, "shop.example.com").then(
      () => false,
      () => true,
    ),
  );
}, 300_000);
