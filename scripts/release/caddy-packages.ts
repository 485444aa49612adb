import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import manifest from "../../package.json" with { type: "json" };
import { buildGo } from "../../src/caddy/go-build.ts";
import { readGoSource } from "../../src/caddy/go-source.ts";
import { parseModuleList } from "../../src/caddy/modules.ts";
import type { PrebuiltManifest } from "../../src/caddy/prebuilt.ts";
import { top } from "../steps.ts";
import { writeGoSbom } from "./sbom.ts";

/** A platform that Caddy is built for. */
export interface CaddyPackage {
  readonly name: string;
  /** As npm and Node call it. */
  readonly cpu: "x64" | "arm64";
  /** As Go and Debian call it. */
  readonly arch: "amd64" | "arm64";
}

export const caddyPackages: readonly CaddyPackage[] = [
  { name: "@gatewright/caddy-linux-x64", cpu: "x64", arch: "amd64" },
  { name: "@gatewright/caddy-linux-arm64", cpu: "arm64", arch: "arm64" },
];

const run = promisify(execFile);

/** Builds Caddy for a platform: static, and the same bytes wherever and whenever the same Go builds it. */
export async function buildCaddy(
  { arch }: Pick<CaddyPackage, "arch">,
  output: string,
  sourceDir = path.join(top, "caddy"),
): Promise<void> {
  const { goVersion } = await readGoSource(sourceDir);
  await buildGo({
    sourceDir,
    output,
    cacheDir: path.join(top, ".cache"),
    goVersion,
    // What the machine says of Go would be in the bytes.
    environment: { ...process.env, GOOS: "linux", GOARCH: arch, GOAMD64: "v1", GOARM64: "v8.0", GOFLAGS: "" },
    progress: (line) => process.stderr.write(`${arch}: ${line}\n`),
  });
}

/** Ids of the modules of a Caddy that this machine can run. */
export async function modulesOf(binary: string): Promise<readonly string[]> {
  const { stdout } = await run(binary, ["list-modules", "--json"], { env: {}, maxBuffer: 16 * 1024 * 1024 });
  return parseModuleList(stdout);
}

/** Writes the package of a platform into a folder. `modules` are asked of a Caddy of the same source, which may be of another platform. */
export async function writeCaddyPackage(
  folder: string,
  { name, cpu }: CaddyPackage,
  binary: string,
  modules: readonly string[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyFile(binary, path.join(folder, "caddy"));
  const { digest, pins } = await readGoSource(path.join(top, "caddy"));
  const { stdout: go } = await run("go", ["version", "-m", binary]);
  const gatewright: PrebuiltManifest["gatewright"] = {
    source: digest,
    version: pins.get("github.com/caddyserver/caddy/v2") ?? "",
    go: /: (go\S+)/.exec(go)?.[1] ?? "",
    sha256: createHash("sha256")
      .update(await readFile(binary))
      .digest("hex"),
    modules,
  };
  const { license, version } = manifest;
  const text = {
    name,
    version,
    description: `Caddy with the modules of Gatewright, for Linux on ${cpu}`,
    license,
    os: ["linux"],
    cpu: [cpu],
    files: ["caddy", "sbom.cdx.json"],
    // A package manager that keeps packages in archives must not keep this one so.
    preferUnplugged: true,
    gatewright,
  };
  await writeFile(path.join(folder, "package.json"), `${JSON.stringify(text, null, 2)}\n`);
  await copyFile(path.join(top, "LICENSE"), path.join(folder, "LICENSE"));
  await writeGoSbom(binary, path.join(folder, "sbom.cdx.json"));
}
