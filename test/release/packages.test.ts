import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { buildCaddy, caddyPackages } from "../../scripts/release/caddy-packages.ts";
import { writeProgram } from "../../scripts/release/program.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { useRelease } from "./release.ts";

const top = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);
const release = useRelease(true);
const arch = process.arch === "x64" ? "amd64" : "arm64";

const digestOf = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

describe("a release", () => {
  test("has a package for Gatewright and one for each Caddy, with checksums that fit", async () => {
    const { out } = release;
    const { stdout } = await run("sha256sum", ["--check", "SHA256SUMS"], { cwd: out });
    expect(stdout.trim().split("\n").sort()).toEqual([
      "gatewright-0.1.0.tgz: OK",
      `gatewright-caddy-linux-${process.arch}-0.1.0.tgz: OK`,
      `gatewright_0.1.0_${arch}.deb: OK`,
    ]);
  });

  test("Gatewright's package needs nothing but Caddy's, in just this version", async () => {
    const text = await readFile(join(release.out, "npm/gatewright/package.json"), "utf8");
    const { dependencies, optionalDependencies, version } = JSON.parse(text);
    expect(dependencies).toBeUndefined();
    expect(optionalDependencies).toEqual(
      Object.fromEntries(caddyPackages.map(({ name }) => [name, version])),
    );
  });

  test("the package for Debian has the unit, its settings, the manual and what is needed to run", async () => {
    const deb = join(release.out, `gatewright_0.1.0_${arch}.deb`);
    const { stdout } = await run("dpkg-deb", ["--contents", deb]);
    const files = stdout.split("\n").map((line) => line.split(/\s+/));
    const modeOf = (name: string) => files.find((words) => words[5] === `.${name}`)?.slice(0, 2);
    const [program, text] = ["-rwxr-xr-x", "-rw-r--r--"].map((mode) => [mode, "root/root"]);
    expect(modeOf("/usr/bin/gatewright")).toEqual(program);
    expect(modeOf("/usr/lib/gatewright/node")).toEqual(program);
    expect(modeOf(`/usr/lib/gatewright/node_modules/@gatewright/caddy-linux-${process.arch}/caddy`)).toEqual(
      program,
    );
    expect(modeOf("/usr/lib/systemd/system/gatewright.service")).toEqual(text);
    expect(modeOf("/usr/share/man/man1/gatewright.1.gz")).toEqual(text);
    const { stdout: conffiles } = await run("dpkg-deb", ["--info", deb, "conffiles"]);
    expect(conffiles).toBe("/etc/gatewright/gatewright.env\n");
  });

  test("tells what each package is made of", async () => {
    const bom = async (name: string) => {
      const text = await readFile(join(release.out, "npm", name, "sbom.cdx.json"), "utf8");
      const { bomFormat, components, metadata } = JSON.parse(text);
      const names = components.map((one: { name: string; version: string }) => `${one.name}@${one.version}`);
      return { bomFormat, name: metadata.component.name, names };
    };
    const program = await bom("gatewright");
    expect(program).toMatchObject({ bomFormat: "CycloneDX", name: "gatewright" });
    expect(program.names).toContain("express@5.3.0");
    expect(program.names.filter((name: string) => /^(?:vitest|typescript|node)@/.test(name))).toEqual([]);
    const caddy = await bom(`caddy-linux-${process.arch}`);
    expect(caddy).toMatchObject({ bomFormat: "CycloneDX", name: "gatewright.dev/caddy" });
    expect(caddy.names).toContain("github.com/caddyserver/caddy/v2@v2.11.9");
  });

  test("carries the licences of what is in it", async () => {
    const text = await readFile(join(release.out, "npm/gatewright/THIRD_PARTY_LICENSES.txt"), "utf8");
    for (const name of ["express 5.3.0 (MIT)", "undici 8.12.4 (MIT)", "winston 3.19.0 (MIT)"])
      expect(text).toContain(name);
  });
});

describe("a second build in another folder", () => {
  test("makes the same Caddy, byte for byte, and one that needs no library", async () => {
    await using folder = await temporaryFolder();
    const built = [];
    for (const name of ["one", "another/deeper"]) {
      const source = join(folder.path, name, "caddy");
      await cp(join(top, "caddy"), source, { recursive: true });
      const output = join(folder.path, name, "built");
      await buildCaddy({ arch }, output, source);
      built.push(output);
    }
    const released = join(release.out, `npm/caddy-linux-${process.arch}/caddy`);
    const digests = await Promise.all([...built, released].map(digestOf));
    expect(new Set(digests).size).toBe(1);
    // A program that needs libraries names the one that loads them.
    expect((await readFile(released)).includes("/ld-linux")).toBe(false);
  });

  test("makes the same program", async () => {
    await using folder = await temporaryFolder();
    const again = join(folder.path, "again");
    await mkdir(again);
    await writeProgram(again);
    const first = join(release.out, "npm/gatewright");
    // It is written by `release` itself.
    await cp(join(first, "sbom.cdx.json"), join(again, "sbom.cdx.json"));
    const namesIn = async (path: string) => {
      const entries = await readdir(path, { recursive: true, withFileTypes: true });
      return entries
        .filter((one) => one.isFile())
        .map((one) => join(one.parentPath, one.name).slice(path.length));
    };
    const names = await namesIn(first);
    expect((await namesIn(again)).sort()).toEqual([...names].sort());
    const differing = [];
    for (const name of names)
      if ((await digestOf(join(first, name))) !== (await digestOf(join(again, name)))) differing.push(name);
    expect(differing).toEqual([]);
  });
});
