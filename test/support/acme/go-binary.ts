import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { exclusively } from "../../../src/caddy/exclusive.ts";
import { testCacheDir } from "../caddy-binary.ts";

/** A program of a Go module. */
export interface GoProgram {
  /** The module, such as `example.com/module/v2`. */
  readonly module: string;
  /** The folder of its main package in the module. Default: the module's. */
  readonly folder?: string;
  readonly version: string;
  /** Changes of its source that its authors have not released yet. Default: none. */
  readonly mends?: readonly Mend[];
}

/** A text of a source file, which is there once, and what stands in its place. */
export interface Mend {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Path of a program for tests: built without cgo by whoever asks first, and kept in `.cache/`. */
export async function goBinary({ module, folder = ".", version, mends = [] }: GoProgram): Promise<string> {
  const name = path.basename(folder === "." ? module : folder);
  const mended = createHash("sha256").update(JSON.stringify(mends)).digest("hex").slice(0, 8);
  const kept = path.join(testCacheDir, `${name}-${version}${mends.length === 0 ? "" : `-${mended}`}`);
  const binary = path.join(kept, name);
  await exclusively(binary, async () => {
    if (await exists(binary)) return;
    const source = await mkdtemp(path.join(tmpdir(), "gatewright-go-"));
    try {
      // The cache of modules is read only.
      const from = `${await downloaded(module, version)}/.`;
      await promisify(execFile)("cp", ["-r", "--no-preserve=mode", from, source]);
      for (const mend of mends) await apply(mend, source);
      await mkdir(kept, { recursive: true });
      await go(["build", "-o", `${binary}.new`, `./${folder}`], source);
      await rename(`${binary}.new`, binary);
    } finally {
      await rm(source, { recursive: true, force: true });
    }
  });
  return binary;
}

async function downloaded(module: string, version: string): Promise<string> {
  const { Dir } = JSON.parse(await go(["mod", "download", "-json", `${module}@${version}`], tmpdir())) as {
    readonly Dir: string;
  };
  return Dir;
}

async function apply({ file, from, to }: Mend, source: string): Promise<void> {
  const place = path.join(source, file);
  const parts = (await readFile(place, "utf8")).split(from);
  if (parts.length !== 2) throw new Error(`${file} has this ${parts.length - 1} times: ${from}`);
  await writeFile(place, parts.join(to));
}

async function go(args: readonly string[], cwd: string): Promise<string> {
  const program = (await exists("/usr/local/go/bin/go")) ? "/usr/local/go/bin/go" : "go";
  const env = { ...process.env, GOFLAGS: "", CGO_ENABLED: "0" };
  return (await promisify(execFile)(program, args, { cwd, env })).stdout;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
