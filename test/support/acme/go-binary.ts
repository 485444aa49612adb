import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { exclusively } from "../../../src/caddy/exclusive.ts";
import { testCacheDir } from "../caddy-binary.ts";

/** A program of a Go module. */
export interface GoProgram {
  /** Its package, such as `example.com/module/cmd/program`. */
  readonly package: string;
  readonly version: string;
}

/** Path of a program for tests: installed without cgo by whoever asks first, and kept in `.cache/`. */
export async function goBinary(program: GoProgram): Promise<string> {
  const name = path.basename(program.package);
  const folder = path.join(testCacheDir, `${name}-${program.version}`);
  const binary = path.join(folder, name);
  await exclusively(binary, async () => {
    if (await exists(binary)) return;
    const go = (await exists("/usr/local/go/bin/go")) ? "/usr/local/go/bin/go" : "go";
    const environment = { ...process.env, GOBIN: folder, GOFLAGS: "", CGO_ENABLED: "0" };
    await promisify(execFile)(go, ["install", `${program.package}@${program.version}`], {
      env: environment,
    });
  });
  return binary;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
