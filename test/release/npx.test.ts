import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, realpath, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { caddyPackages } from "../../scripts/release/caddy-packages.ts";
import { createIngress, putInstance, rule, visit } from "../support/api.ts";
import { startBackend } from "../support/backend.ts";
import { freePort } from "../support/free-port.ts";
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

/** A machine with an empty home and a registry that has the release; undefined where there can be none. */
async function startMachine(): Promise<
  (AsyncDisposable & { readonly home: string; readonly environment: NodeJS.ProcessEnv }) | undefined
> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const registry = await startVerdaccio(folder.path);
  if (registry === undefined) return undefined;
  stack.use(registry);
  const environment = { ...(await bareMachine(folder.path)), ...registry.environment };
  await publish(folder.path, environment);
  const running = stack.move();
  return {
    home: join(folder.path, "home"),
    environment,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
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
  await using backend = await startBackend("behind");
  await using machine = await startMachine();
  if (machine === undefined) return;
  const { home } = machine;
  const ports = await freePorts();
  const environment = {
    ...machine.environment,
    DATA_DIR: join(home, "data"),
    CADDY_STOP_ON_SHUTDOWN: "true",
    ...portSettings(ports),
  };
  const began = performance.now();
  const npx = spawn("npx", ["--yes", "gatewright", "up"], {
    env: environment,
    cwd: home,
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

  const { stdout } = await run("du", ["-sm", home]);
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

test.each(["Ctrl-C", "SIGTERM"])(
  "npx gatewright demo serves its samples there, and %s takes all back",
  async (how) => {
    await using machine = await startMachine();
    if (machine === undefined) return;
    const { home } = machine;
    const port = await freePort();
    const environment = { ...machine.environment, TMPDIR: home };
    const began = performance.now();
    const npx = spawn("npx", ["--yes", "gatewright", "demo", "--port", String(port)], {
      env: environment,
      cwd: home,
      // Ctrl-C is a signal to a whole group.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [npx.stdout, npx.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
    const ended = once(npx, "exit");
    await until(() => {
      if (npx.exitCode !== null) throw new Error(`npx has ended: ${output}`);
      return output.includes("Ctrl-C removes");
    }, 120_000);
    const answer = await visit(port, "plain.localhost");
    console.log(`npx to the demo's first answer: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    expect(answer.text).toMatch(/^demo-1 answers GET \//);
    const [, own = "", explain = ""] =
      output.match(/answers at (\S+).*?npx gatewright (explain [^\n]*)/s) ?? [];
    const { stdout } = await run("npx", ["gatewright", ...explain.split(" ")], {
      env: environment,
      cwd: home,
    });
    expect(stdout).toContain("Ingress demo-");

    process.kill(
      how === "Ctrl-C" ? -(npx.pid as number) : (npx.pid as number),
      how === "Ctrl-C" ? "SIGINT" : "SIGTERM",
    );
    await ended;
    const isGone = (asked: Promise<unknown>) =>
      asked.then(
        () => false,
        () => true,
      );
    await until(() => isGone(fetch(`${own}/health`)));
    await until(() => isGone(visit(port, "plain.localhost")));
    await until(async () => (await readdir(home)).every((name) => !name.startsWith("gatewright-demo-")));
  },
  300_000,
);
