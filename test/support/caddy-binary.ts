import path from "node:path";
import { obtainCaddy } from "../../src/caddy/binary.ts";

const top = path.resolve(import.meta.dirname, "../..");

/** Where tests keep what is dear to build; ignored by git. */
export const testCacheDir = path.join(top, ".cache");

/**
 * Path of the Caddy built from caddy/, or of `CADDY_BIN` where that is set: built by whoever asks first and kept in
 * `.cache/`, also across runs. Safe in parallel workers: the others wait.
 */
export async function builtCaddy(progress?: (line: string) => void): Promise<string> {
  const binary = await obtainCaddy({
    dataDir: testCacheDir,
    sourceDir: path.join(top, "caddy"),
    caddyBin: process.env["CADDY_BIN"],
    environment: process.env,
    progress: progress ?? ((line) => process.stderr.write(`${line}\n`)),
  });
  return binary.path;
}
