import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { exclusively } from "../../src/caddy/exclusive.ts";
import { testCacheDir } from "./caddy-binary.ts";

/**
 * Path of the Go program of a folder: built by whoever asks first, kept in `.cache/programs/` under the digest of its
 * source. Throws when there is no Go, or the modules cannot be had.
 */
export async function builtProgram(source: string): Promise<string> {
  const name = basename(source);
  const folder = join(testCacheDir, "programs");
  const path = join(folder, `${name}-${await digestOf(source)}`);
  await exclusively(path, async () => {
    if (existsSync(path)) return;
    process.stderr.write(`building ${name} with Go; this happens once\n`);
    await mkdir(folder, { recursive: true });
    const partial = `${path}.partial`;
    const args = ["build", "-trimpath", "-ldflags", "-s -w", "-o", partial, "."];
    await promisify(execFile)("go", args, { cwd: source, env: { ...process.env, CGO_ENABLED: "0" } });
    await rename(partial, path);
  });
  return path;
}

async function digestOf(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const names = (await readdir(folder)).filter((name) => /\.go$|^go\.(mod|sum)$/.test(name)).sort();
  for (const name of names) hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest("hex").slice(0, 16);
}
