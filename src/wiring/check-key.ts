import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const source = join(import.meta.dirname, "..");

/**
 * A name for the rules that documents are checked by: another one for any other source code of Gatewright, version of
 * a dependency or Node, or settings. Reads every file of `src/`, some milliseconds.
 */
export function checkKey(settings: unknown, folder: string = source): string {
  const digest = createHash("sha256").update(JSON.stringify([process.version, settings]));
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const name of names.filter((one) => /\.(?:ts|js|json)$/.test(one)).sort()) {
    digest.update(`\0${name}\0`).update(readFileSync(join(folder, name)));
  }
  // Dependencies are pinned there.
  digest.update("\0").update(readFileSync(join(folder, "../package.json")));
  return digest.digest("hex").slice(0, 32);
}
