import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { GatewrightError } from "../errors.ts";
import { exclusively } from "./exclusive.ts";
import { buildGo, type Environment, mayAccess, type Progress } from "./go-build.ts";
import { type GoSource, readGoSource } from "./go-source.ts";
import { caddyModules, parseModuleList, requireModules } from "./modules.ts";
import { findPrebuilt, PREBUILT_PACKAGE } from "./prebuilt.ts";

/** A Caddy that can be started, and what it is able to do. */
export interface CaddyBinary {
  readonly path: string;
  /** Caddy's own version, e.g. `v2.11.9`. */
  readonly version: string;
  /** Ids of all modules that it has, sorted. */
  readonly modules: readonly string[];
}

/** The one to use now. */
export interface ObtainedCaddy extends CaddyBinary {
  /** One that is being built meanwhile, and shall take over. Rejects as `obtainCaddy` does. */
  readonly newer?: Promise<CaddyBinary>;
}

export interface ObtainCaddyOptions {
  /** Gatewright's data folder; the binary is cached in `system/binaries/caddy/<version>/<arch>/` there. */
  readonly dataDir: string;
  /** Folder of the Go module of our Caddy distribution. */
  readonly sourceDir: string;
  /** Path of a Caddy to use instead (`CADDY_BIN`). */
  readonly caddyBin?: string | undefined;
  /** File from which the package with a prebuilt Caddy is looked for. Default: one of Gatewright's own. */
  readonly prebuiltFrom?: string;
  /** Environment of the Go tool. */
  readonly environment: Environment;
  /** Default: every module in `caddyModules` that is marked as required. */
  readonly requiredModules?: readonly string[];
  /** Where `go` is looked for after the PATH. Default: where its installers put it. */
  readonly goFolders?: readonly string[];
  readonly progress?: Progress;
  /**
   * Program of a Caddy that serves. Where one has to be built, and this has every module in `caddyModules`, nobody waits
   * for the build. Default: none.
   */
  readonly serving?: string | undefined;
  /** Ends a build. */
  readonly signal?: AbortSignal;
}

/** What was learned of a binary, kept beside it so that the next start need not ask it again. */
interface BinaryRecord {
  /** Digest of the Go source; "" for a binary from elsewhere. */
  readonly source: string;
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly version: string;
  readonly modules: readonly string[];
}

/**
 * Finds or makes the Caddy to run: `CADDY_BIN` where it is set, else the one that came as a package when it was built from
 * the present source or there is no source, else the cached one when it was built from the present source, else a new build,
 * until whose end the one that serves is used. Safe when several processes do it at once.
 * Throws `caddy_build_failed` and `caddy_modules_missing`; both messages name the ways out.
 */
export async function obtainCaddy(options: ObtainCaddyOptions): Promise<ObtainedCaddy> {
  const cacheDir = path.join(options.dataDir, "system", "binaries", "caddy");
  const prebuilt = await findPrebuilt(options.prebuiltFrom);
  const source = await readSource(options, prebuilt !== undefined);
  const required =
    options.requiredModules ?? caddyModules.filter((module) => module.required).map((module) => module.id);
  const check = (binary: CaddyBinary, ids = required): CaddyBinary => {
    requireModules(binary.path, binary.modules, ids, source?.pins ?? new Map());
    return binary;
  };
  if (options.caddyBin !== undefined && options.caddyBin !== "")
    return check(await obtainGiven(options.caddyBin, cacheDir));
  if (prebuilt !== undefined && (source === undefined || prebuilt.source === source.digest))
    return check(prebuilt);
  if (source === undefined) throw new GatewrightError("caddy_build_failed", noCaddy());
  const place = placeOf(source, cacheDir);
  const cached = await place.cached();
  if (cached !== undefined) return check(cached);
  const every = options.requiredModules ?? caddyModules.map((module) => module.id);
  const serving =
    options.serving === undefined
      ? undefined
      : await obtainGiven(options.serving, cacheDir)
          .then((binary) => check(binary, every))
          // What serves is of no use for this: it is as if nothing did.
          .catch(() => undefined);
  const newer = build(options, place, source).then((binary) => check(binary));
  if (serving === undefined) return newer;
  // Whoever waits for it hears of it.
  newer.catch(() => undefined);
  return { ...serving, newer };
}

/** Undefined where there is none and none is needed, as where Gatewright was installed as a package. */
async function readSource(options: ObtainCaddyOptions, isPrebuilt: boolean): Promise<GoSource | undefined> {
  try {
    return await readGoSource(options.sourceDir);
  } catch (cause) {
    if (isPrebuilt || (options.caddyBin !== undefined && options.caddyBin !== "")) return undefined;
    throw new GatewrightError("caddy_build_failed", noCaddy(), { cause });
  }
}

/** Neither source nor package. */
function noCaddy(): string {
  return (
    `There is no Caddy: the package ${PREBUILT_PACKAGE} is not installed, and Caddy's source is not here either. ` +
    `Packages exist for Linux on x64 and arm64, and npm leaves them out with \`--omit=optional\`: install it ` +
    `(\`npm install ${PREBUILT_PACKAGE}\`), or set CADDY_BIN to a Caddy that has Gatewright's modules.`
  );
}

async function obtainGiven(caddyBin: string, cacheDir: string): Promise<CaddyBinary> {
  const file = path.resolve(caddyBin);
  await refuseUnusable(file);
  const key = createHash("sha256").update(file).digest("hex").slice(0, 16);
  const recordPath = path.join(cacheDir, `given-${key}.json`);
  const known = await readRecord(recordPath);
  if (known !== undefined && (await isUnchanged(known, file))) return known;
  return inspect(file, recordPath, "");
}

/** Throws `caddy_start_failed` where CADDY_BIN names no file that can be run. */
async function refuseUnusable(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() === true && (await mayAccess(file, constants.X_OK))) return;
  const what = found === undefined ? "does not exist" : "is no file that may be executed";
  const remedy = "give the path of a Caddy that has the modules, or leave CADDY_BIN out to have one built";
  throw new GatewrightError("caddy_start_failed", `CADDY_BIN: ${file} ${what}; ${remedy}`);
}

/** Where a binary of a source is kept. */
interface Place {
  readonly file: string;
  readonly recordPath: string;
  /** The binary that is there, where it was built from the source. */
  cached(): Promise<CaddyBinary | undefined>;
}

function placeOf({ digest, pins }: GoSource, cacheDir: string): Place {
  const version = pins.get("github.com/caddyserver/caddy/v2") ?? "unversioned";
  const folder = path.join(cacheDir, version, architecture());
  const file = path.join(folder, "caddy");
  const recordPath = path.join(folder, "caddy.json");
  return {
    file,
    recordPath,
    cached: async () => {
      const known = await readRecord(recordPath);
      return known?.source === digest && (await isUnchanged(known, file)) ? known : undefined;
    },
  };
}

async function build(options: ObtainCaddyOptions, place: Place, source: GoSource): Promise<CaddyBinary> {
  const progress = options.progress ?? (() => {});
  return exclusively(
    place.file,
    async () => {
      const built = await place.cached();
      if (built !== undefined) return built;
      await buildGo({
        sourceDir: options.sourceDir,
        output: place.file,
        cacheDir: path.join(options.dataDir, "system", "cache"),
        goVersion: source.goVersion,
        environment: options.environment,
        goFolders: options.goFolders,
        progress,
        signal: options.signal,
      });
      return inspect(place.file, place.recordPath, source.digest);
    },
    () => progress("another process is building Caddy; waiting for it"),
    options.signal,
  );
}

/** The names that hypeman's data folder uses. */
function architecture(): string {
  if (process.arch === "x64") return "x86_64";
  return process.arch === "arm64" ? "aarch64" : process.arch;
}

async function isUnchanged(known: BinaryRecord, file: string): Promise<boolean> {
  const now = await stat(file).catch(() => undefined);
  return now !== undefined && known.path === file && known.size === now.size && known.mtimeMs === now.mtimeMs;
}

async function readRecord(recordPath: string): Promise<BinaryRecord | undefined> {
  try {
    return JSON.parse(await readFile(recordPath, "utf8")) as BinaryRecord;
  } catch {
    // Missing, or half-written by a crash: the binary is asked again.
    return undefined;
  }
}

/** Asks the binary itself what it is, and keeps the answer. */
async function inspect(file: string, recordPath: string, source: string): Promise<CaddyBinary> {
  const version = await ask(file, ["version"]);
  const modules = parseModuleList(await ask(file, ["list-modules", "--json"]));
  const { size, mtimeMs } = await stat(file);
  const record: BinaryRecord = {
    source,
    path: file,
    size,
    mtimeMs,
    version: version.split(/\s/)[0] ?? "",
    modules,
  };
  await mkdir(path.dirname(recordPath), { recursive: true, mode: 0o755 });
  const temporary = `${recordPath}.${process.pid}.new`;
  await writeFile(temporary, JSON.stringify(record), { mode: 0o644 });
  await rename(temporary, recordPath);
  return record;
}

async function ask(file: string, args: readonly string[]): Promise<string> {
  try {
    // An empty environment: a Caddy from elsewhere has no business with our tokens.
    const { stdout } = await promisify(execFile)(file, args, {
      env: {},
      timeout: 30_000,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout.trim();
  } catch (cause) {
    const reason = (cause as Error).message.split("\n")[0];
    throw new GatewrightError("caddy_start_failed", `\`${file} ${args.join(" ")}\` failed: ${reason}`, {
      cause,
    });
  }
}
