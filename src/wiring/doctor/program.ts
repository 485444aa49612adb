import { constants } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { findGo, mayAccess } from "../../caddy/go-build.ts";
import { findPrebuilt } from "../../caddy/prebuilt.ts";
import type { Config } from "../../config.ts";
import type { Finding } from "../../model/api.ts";
import { ok, problem, warning } from "./finding.ts";

const TESTED_NODE = "24";

/** The Node that runs this, which is the one that runs Gatewright. */
export function nodeFindings(version: string = process.versions.node): readonly Finding[] {
  if (version.split(".")[0] === TESTED_NODE) return [ok("node", `Node ${version}`)];
  const message = `Node ${version}; Gatewright is tested with Node ${TESTED_NODE}`;
  return [warning("node", message, `install Node ${TESTED_NODE}`)];
}

/** Whether there is a Caddy to start, or what it takes to build one. */
export async function caddyProgramFindings(config: Config): Promise<readonly Finding[]> {
  const { bin } = config.caddy;
  const check = "caddy-program";
  if (bin !== undefined && bin !== "") {
    if (await mayAccess(bin, constants.X_OK)) return [ok(check, `Caddy is ${bin} (CADDY_BIN)`)];
    const remedy = "give the path of a Caddy that has Gatewright's modules, or leave CADDY_BIN out";
    return [problem(check, `CADDY_BIN: ${bin} is no file that may be executed`, remedy)];
  }
  const prebuilt = await findPrebuilt();
  if (prebuilt !== undefined) return [ok(check, `Caddy ${prebuilt.version} came as a package`)];
  const built = await builtIn(join(config.dataDir, "system", "binaries", "caddy"));
  const go = await findGo({ environment: config.toolEnvironment });
  if (go !== undefined)
    return [
      ok(
        check,
        built ? `Caddy was built; ${go} builds newer ones` : `${go} will build Caddy at the first start`,
      ),
    ];
  if (built)
    return [
      warning(
        check,
        "Caddy was built, and no Go is found to build a newer one",
        "install Go before an upgrade",
      ),
    ];
  return [problem(check, "there is no Caddy, and no Go to build it", "install Go, or set CADDY_BIN")];
}

async function builtIn(folder: string): Promise<boolean> {
  const files = await readdir(folder, { recursive: true }).catch(() => []);
  return files.some((file) => file.endsWith("/caddy"));
}
