import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../support/until.ts";

const top = path.resolve(import.meta.dirname, "../..");

/** A tree as after a clone: run.mjs, a lock file, and the pinned Node as a local package, so that npm works offline. */
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "gatewright-run-"));
  await mkdir(path.join(folder, "scripts"));
  await mkdir(path.join(folder, "fake-node"));
  for (const name of ["run.mjs", "build-beside.mjs"])
    await copyFile(path.join(top, "scripts", name), path.join(folder, "scripts", name));
  await writeJson("fake-node/package.json", { name: "node", version: "1.0.0", bin: { node: "node.sh" } });
  const pinned = `#!/bin/sh\nexport PINNED=yes\nexec ${process.execPath} "$@"\n`;
  await writeFile(path.join(folder, "fake-node/node.sh"), pinned, { mode: 0o755 });
  await writeTree("1");
  await writeFile(
    path.join(folder, "script.ts"),
    `const [first, ...rest]: string[] = process.argv.slice(2);
     process.on("SIGTERM", () => { console.log("terminated"); process.exit(7); });
     console.log(JSON.stringify({ rest, pinned: process.env.PINNED, main: process.argv[1] === import.meta.filename }));
     if (first === "wait") setInterval(() => {}, 1000);
     else process.exitCode = Number(first);`,
  );
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const writeJson = (name: string, value: object) => writeFile(path.join(folder, name), JSON.stringify(value));

async function writeTree(version: string): Promise<void> {
  const root = { name: "tree", version, devDependencies: { node: "file:./fake-node" } };
  await writeJson("package.json", { ...root, type: "module" });
  const packages = {
    "": root,
    "fake-node": { name: "node", version: `${version}.0.0`, dev: true, bin: { node: "node.sh" } },
    "node_modules/node": { resolved: "fake-node", link: true, dev: true },
  };
  await writeJson("package-lock.json", {
    name: "tree",
    version,
    lockfileVersion: 3,
    requires: true,
    packages,
  });
}

function start(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  file = "script.ts",
): ChildProcess {
  const env = { ...process.env, npm_config_cache: path.join(folder, "cache"), ...environment };
  return spawn(process.execPath, ["scripts/run.mjs", file, ...args], { cwd: folder, env });
}

async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}, file?: string) {
  const child = start(args, environment, file);
  let output = "";
  let errors = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output, errors, installs: errors.split("(npm ci)").length - 1 };
}

test("installs what is missing, then runs the file with the pinned Node; arguments and exit code pass through", async () => {
  const first = await run(["5", "a", "b c"], { NODE_ENV: "production" });
  expect(first).toMatchObject({ code: 5, installs: 1 });
  expect(first.errors).toContain("installing the dependencies (npm ci)");
  expect(first.errors).toContain("and takes about a minute\n");
  expect(JSON.parse(first.output)).toEqual({ rest: ["a", "b c"], pinned: "yes", main: true });
  expect(await run(["0"])).toMatchObject({ code: 0, installs: 0, errors: "" });
});

test("Gatewright itself needs no second Node, and nothing for development, where this one is new enough", async () => {
  await mkdir(path.join(folder, "src"));
  const program = "src/program.ts";
  await copyFile(path.join(folder, "script.ts"), path.join(folder, program));
  const first = await run(["0"], {}, program);
  expect(first).toMatchObject({ code: 0, installs: 1 });
  expect(first.errors).toContain("and takes about half a minute\n");
  expect(JSON.parse(first.output)).not.toHaveProperty("pinned");
  expect(await run(["0"], {}, program)).toMatchObject({ code: 0, installs: 0 });
  // The tests need it all, and what they have installed is enough for Gatewright.
  expect(await run(["0"])).toMatchObject({ code: 0, installs: 1 });
  const later = await run(["0"], {}, program);
  expect(later).toMatchObject({ code: 0, installs: 0 });
  expect(JSON.parse(later.output)).toHaveProperty("pinned", "yes");
});

test("installs again when the lock file changed, and not for other changes of package.json", async () => {
  await run(["0"]);
  const manifest = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")) as object;
  await writeJson("package.json", { ...manifest, description: "changed" });
  expect((await run(["0"])).installs).toBe(0);
  await writeTree("2");
  expect((await run(["0"])).installs).toBe(1);
});

test("takes what somebody's own npm ci has installed", async () => {
  const npm = spawn("npm", ["ci"], {
    cwd: folder,
    stdio: "ignore",
    env: { ...process.env, npm_config_cache: path.join(folder, "cache") },
  });
  expect(await once(npm, "close")).toEqual([0, null]);
  expect((await run(["0"])).installs).toBe(0);
});

test("C11: an old Node hands over to the pinned one; one that is too old is told so", async () => {
  // What stands in the first lines of node's own bin is not at hand here: a fake version, and no newer API of modules.
  const older = (version: string) => ({
    NODE_OPTIONS: `--import data:text/javascript,Object.defineProperty(process.versions,'node',{value:'${version}'});delete%20process.execve`,
  });
  const source = await readFile(path.join(folder, "scripts/run.mjs"), "utf8");
  expect(source.replace(/\/\/.*$/gm, "")).not.toMatch(
    /import\.meta\.(?:dirname|filename)|withResolvers|toSorted/,
  );
  expect(await run(["5"], older("18.20.8"))).toMatchObject({ code: 5, installs: 1 });
  const refused = await run(["5"], older("16.20.2"));
  expect([refused.code, refused.output]).toEqual([1, ""]);
  expect(refused.errors).toBe(
    "gatewright: Node 16.20.2 is too old: start with Node 18 or newer; the one that runs Gatewright is installed beside it\n",
  );
});

test("several starts at once install once", async () => {
  const ends = await Promise.all([run(["0"]), run(["0"]), run(["0"])]);
  expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(ends.reduce((sum, { installs }) => sum + installs, 0)).toBe(1);
});

test("an installation that fails shows npm's words, and the next start tries again", async () => {
  const lock = await readFile(path.join(folder, "package-lock.json"));
  await writeFile(path.join(folder, "package-lock.json"), "{}");
  const failed = await run(["0"]);
  expect(failed.code).toBe(1);
  expect(failed.errors).toMatch(/npm ERR!|npm error/);
  expect(failed.errors).toMatch(/npm ci failed/);
  await writeFile(path.join(folder, "package-lock.json"), lock);
  expect(await run(["0"])).toMatchObject({ code: 0, installs: 1 });
});

describe("a signal", () => {
  // Node before 22.15 cannot replace its own process: there the wrapper stays and passes signals on.
  const older = { NODE_OPTIONS: "--import data:text/javascript,delete%20process.execve" };
  test.each([
    ["", {}],
    [" on an older Node", older],
  ])("reaches the file, whose exit code is the wrapper's%s", async (_, environment) => {
    await run(["0"]);
    const child = start(["wait"], environment);
    const lines: string[] = [];
    child.stdout?.on("data", (chunk: Buffer) => lines.push(chunk.toString()));
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([7, null]);
    expect(lines.join("")).toContain("terminated");
  });

  test("E8: to the process of npm start reaches the file, and npm ends with its exit code", async () => {
    await run(["0"]);
    const { scripts } = JSON.parse(await readFile(path.join(top, "package.json"), "utf8")) as {
      scripts: { start: string };
    };
    const manifest = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")) as object;
    const command = scripts.start.replace("src/main.ts", "script.ts wait");
    await writeJson("package.json", { ...manifest, scripts: { start: command } });
    const npm = spawn("npm", ["start"], { cwd: folder });
    let output = "";
    npm.stdout.on("data", (chunk: Buffer) => {
      output += chunk;
    });
    await until(() => output.includes('"rest"'));
    npm.kill("SIGTERM");
    expect(await once(npm, "close")).toEqual([7, null]);
    expect(output).toContain("terminated");
  });

  test("that kills the file kills the wrapper", async () => {
    await run(["0"]);
    const child = start(["wait"], older);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([null, "SIGINT"]);
  });
});
