import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** What a folder with a Go module would be built into. */
export interface GoSource {
  /** Digest of go.mod, go.sum and every Go file that is not a test. */
  readonly digest: string;
  /** Version of each module that go.mod requires. */
  readonly pins: ReadonlyMap<string, string>;
  /** The `go` directive, e.g. `1.26.0`: the oldest toolchain that builds it. */
  readonly goVersion: string;
}

/** Reads the Go module in `folder`. Throws ENOENT where there is none. */
export async function readGoSource(folder: string): Promise<GoSource> {
  const hash = createHash("sha256");
  for (const name of await sourceFiles(folder)) {
    hash
      .update(`${name}\0`)
      .update(await readFile(path.join(folder, name)))
      .update("\0");
  }
  const text = await readFile(path.join(folder, "go.mod"), "utf8");
  return {
    digest: hash.digest("hex"),
    pins: readPins(text),
    goVersion: /^go\s+(\S+)/m.exec(text)?.[1] ?? "",
  };
}

/** Names, relative and sorted, of the files that decide what `go build` makes. */
async function sourceFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && isSource(entry.name))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.split(path.sep).includes("testdata"))
    .sort();
}

function isSource(name: string): boolean {
  if (name === "go.mod" || name === "go.sum") return true;
  return name.endsWith(".go") && !name.endsWith("_test.go");
}

/** `module version` lines of go.mod (https://go.dev/ref/mod#go-mod-file-require), block form or not. */
function readPins(text: string): ReadonlyMap<string, string> {
  const pins = new Map<string, string>();
  for (const match of text.matchAll(
    /^(?:require)?\s*([a-z0-9.-]+\.[a-z]+\/\S+|\S+\.\S+\/\S+)\s+(v\d\S*)/gim,
  )) {
    if (match[1] !== undefined && match[2] !== undefined) pins.set(match[1], match[2]);
  }
  return pins;
}
