import { constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { mayAccess } from "./go-build.ts";

/** What `npm run release` writes into the package.json of a Caddy that it has built. */
export interface PrebuiltManifest {
  readonly gatewright: {
    /** Digest of the Go source. */
    readonly source: string;
    /** Caddy's own version. */
    readonly version: string;
    /** The Go that has built it. */
    readonly go: string;
    /** Of the file `caddy`. */
    readonly sha256: string;
    /** Ids of all modules that it has, sorted. */
    readonly modules: readonly string[];
  };
}

/** A Caddy that was built elsewhere and came as a package of npm. */
export interface PrebuiltCaddy {
  readonly path: string;
  readonly source: string;
  readonly version: string;
  readonly modules: readonly string[];
}

/** Name of the package for this machine. */
export const PREBUILT_PACKAGE = `@gatewright/caddy-${process.platform}-${process.arch}`;

/**
 * The Caddy of the package for this machine, where npm has installed it; undefined where it has not, or where the package is
 * damaged. `from` is the file that it is looked for from.
 */
export async function findPrebuilt(from: string = import.meta.filename): Promise<PrebuiltCaddy | undefined> {
  try {
    const manifest = createRequire(from).resolve(`${PREBUILT_PACKAGE}/package.json`);
    const { gatewright } = JSON.parse(await readFile(manifest, "utf8")) as PrebuiltManifest;
    const { modules, source, version } = gatewright;
    const file = path.join(path.dirname(manifest), "caddy");
    return (await mayAccess(file, constants.X_OK)) ? { path: file, source, version, modules } : undefined;
  } catch {
    return undefined;
  }
}
