/**
 * Builds the dashboard (`web/` → `web/dist/`) unless what is there was made of the same files; `--force` builds anyway.
 * Each file is there as it is, and compressed by gzip and Brotli beside that.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const top = path.resolve(import.meta.dirname, "..");
const web = path.join(top, "web");
/** Where it is served from. */
export const dashboardFolder = path.join(web, "dist");
const DIGEST_FILE = ".digest";

/** Builds it when needed; returns whether it did. A package without the sources has it built, and is left as it is. */
export async function buildDashboard({ force = false } = {}): Promise<boolean> {
  if (!existsSync(path.join(web, "src"))) return false;
  const digest = await digestOfSources();
  if (!force && (await present()) === digest) return false;
  // Beside the old one, which is served until the new one is whole.
  await mkdir(path.join(top, ".cache"), { recursive: true });
  const folder = await mkdtemp(path.join(top, ".cache", "dashboard-"));
  try {
    const { build } = await import("vite");
    await build({ configFile: path.join(web, "vite.config.ts"), build: { outDir: folder } });
    await compressAll(folder);
    await writeFile(path.join(folder, DIGEST_FILE), digest);
    // mkdtemp lets nobody else in, and a package may be installed by another user than the one who runs it.
    await chmod(folder, 0o755);
    await replace(folder, digest);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return true;
}

async function present(): Promise<string | undefined> {
  return readFile(path.join(dashboardFolder, DIGEST_FILE), "utf8").catch(() => undefined);
}

/** Two that build at once make the same: the later one keeps what is there. */
async function replace(folder: string, digest: string): Promise<void> {
  const old = `${folder}.old`;
  await rename(dashboardFolder, old).catch(() => undefined);
  try {
    await rename(folder, dashboardFolder);
  } catch (error) {
    if ((await present()) !== digest) throw error;
  } finally {
    await rm(old, { recursive: true, force: true });
  }
}

/** Of all that decides what is built: sources, configuration, and the versions of what is bundled. */
async function digestOfSources(): Promise<string> {
  const sources = await filesUnder(path.join(web, "src"));
  const others = ["index.html", "vite.config.ts"].map((name) => path.join(web, name));
  const manifest = await readFile(path.join(top, "package.json"), "utf8");
  const { dependencies, optionalDependencies } = JSON.parse(manifest) as { [part: string]: object };
  const hash = createHash("sha256").update(JSON.stringify([dependencies, optionalDependencies]));
  for (const file of [...sources, ...others])
    hash.update(`${file.slice(top.length)}\n`).update(await readFile(file));
  return hash.digest("hex");
}

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

async function compressAll(folder: string): Promise<void> {
  for (const file of await filesUnder(folder)) {
    const bytes = await readFile(file);
    await writeFile(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }));
    const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    await writeFile(`${file}.br`, await promisify(brotliCompress)(bytes, { params }));
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    const isBuilt = await buildDashboard({ force: process.argv.includes("--force") });
    if (isBuilt) console.error("gatewright: the dashboard was built");
  } catch (error) {
    // Beside a start this is one line among its own.
    console.error(`gatewright: the dashboard cannot be built: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
