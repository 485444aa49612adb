import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { exclusively } from "../../../src/caddy/exclusive.ts";
import { goBuildFlags } from "../../../src/caddy/go-build.ts";
import { testCacheDir } from "../caddy-binary.ts";

const version = "v2.10.1";

/** Path of Pebble, a real ACME authority for tests: installed by whoever asks first and kept in `.cache/`. */
export async function pebbleBinary(): Promise<string> {
  const folder = path.join(testCacheDir, `pebble-${version}`);
  const binary = path.join(folder, "pebble");
  await exclusively(binary, async () => {
    if (await exists(binary)) return;
    const go = (await exists("/usr/local/go/bin/go")) ? "/usr/local/go/bin/go" : "go";
    // As Caddy is built, so that Go compiles its library once for both.
    const environment = { ...process.env, GOBIN: folder, GOFLAGS: "", CGO_ENABLED: "0" };
    const what = `github.com/letsencrypt/pebble/v2/cmd/pebble@${version}`;
    await promisify(execFile)(go, ["install", ...goBuildFlags, what], { env: environment });
  });
  return binary;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
