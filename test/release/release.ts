import { join, resolve } from "node:path";
import { caddyPackages } from "../../scripts/release/caddy-packages.ts";
import { release } from "../../scripts/release.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";

/** What `npm run release` writes, for this machine's platform alone. */
export interface Release extends AsyncDisposable {
  readonly out: string;
}

/**
 * A release for the tests of a file; its package for Debian takes a while. `RELEASE=dist` has the one be tried that
 * `npm run release` has left there.
 */
export function useRelease(debian = false): Release {
  return use(async () => {
    const given = process.env["RELEASE"];
    if (given !== undefined) return { out: resolve(given), [Symbol.asyncDispose]: async () => undefined };
    const folder = await temporaryFolder();
    const out = join(folder.path, "dist");
    await release({ out, debian, platforms: caddyPackages.filter(({ cpu }) => cpu === process.arch) });
    return { out, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  });
}
