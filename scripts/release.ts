/**
 * `npm run release`: writes what is published into `dist/`: packages for npm and Debian, Caddy for each platform within them, what they
 * are made of (SBOM), and checksums. A second run with the same sources and the same Go writes the same bytes.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import {
  buildCaddy,
  type CaddyPackage,
  caddyPackages,
  modulesOf,
  writeCaddyPackage,
} from "./release/caddy-packages.ts";
import { writeDebianPackage } from "./release/debian.ts";
import { writeProgram } from "./release/program.ts";
import { writeNpmSbom } from "./release/sbom.ts";
import { top } from "./steps.ts";

const run = promisify(execFile);

/** What is written, and where. */
export interface ReleaseOptions {
  /** Emptied first. */
  readonly out: string;
  /** Default: all. */
  readonly platforms?: readonly CaddyPackage[];
  /** Whether packages for Debian are made too. Default: yes. */
  readonly debian?: boolean;
}

/** Writes all of it. */
export async function release({
  out,
  debian = true,
  platforms = caddyPackages,
}: ReleaseOptions): Promise<void> {
  await rm(out, { recursive: true, force: true });
  const npm = path.join(out, "npm");
  await mkdir(path.join(npm, "gatewright"), { recursive: true });
  await writeProgram(path.join(npm, "gatewright"));
  await writeNpmSbom(path.join(npm, "gatewright/sbom.cdx.json"));
  const binaries = path.join(out, "caddy");
  const native = path.join(binaries, process.arch);
  await buildCaddy({ arch: process.arch === "x64" ? "amd64" : "arm64" }, native);
  const modules = await modulesOf(native);
  for (const platform of platforms) {
    const binary = path.join(binaries, platform.cpu);
    if (binary !== native) await buildCaddy(platform, binary);
    await writeCaddyPackage(path.join(npm, path.basename(platform.name)), platform, binary, modules);
  }
  await rm(binaries, { recursive: true });
  for (const platform of debian ? platforms : []) await writeDebianPackage(out, platform, npm);
  for (const name of await readdir(npm))
    await run("npm", ["pack", "--pack-destination", out], { cwd: path.join(npm, name) });
  await writeChecksums(out);
}

/** In the form that `sha256sum --check` takes. */
async function writeChecksums(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const lines = names.sort().map(async (name) => {
    const digest = createHash("sha256").update(await readFile(path.join(folder, name)));
    return `${digest.digest("hex")}  ${name}\n`;
  });
  await writeFile(path.join(folder, "SHA256SUMS"), (await Promise.all(lines)).join(""));
}

if (process.argv[1] === import.meta.filename) {
  const out = path.join(top, "dist");
  await release({ out });
  console.log(await readFile(path.join(out, "SHA256SUMS"), "utf8"));
}
