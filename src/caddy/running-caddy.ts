import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  commandLine,
  identify,
  listProcesses,
  type ProcessIdentity,
  programPath,
  runsProgram,
} from "./process-identity.ts";

/** Where the files of one Caddy are. */
export interface CaddyPaths {
  readonly binary: string;
  /** `<DATA_DIR>/caddy`. */
  readonly folder: string;
}

/** A Caddy that was started from our folder. */
export interface RunningCaddy extends ProcessIdentity {
  /** Whether it runs another program than `binary`, such as the one before an upgrade. */
  readonly outdated: boolean;
}

export function configPath(paths: CaddyPaths): string {
  return path.join(paths.folder, "config.json");
}

export function pidPath(paths: CaddyPaths): string {
  return path.join(paths.folder, "caddy.pid");
}

/** The Unix socket by which a Caddy gives its sockets to the next one (caddy/handover). */
export function handoverPath(paths: CaddyPaths): string {
  return path.join(paths.folder, "handover");
}

/** A Caddy that another one has replaced, and that finishes what it has. */
export interface DrainingCaddy extends ProcessIdentity {
  /** When it was replaced, and when it ends at the latest; RFC 3339. */
  readonly since: string;
  readonly until: string;
}

const drainingFolder = (paths: CaddyPaths): string => path.join(paths.folder, "draining");

/** Those that finish what they have. Removes what others of them left that were killed. */
export function findDraining(paths: CaddyPaths): readonly DrainingCaddy[] {
  return filesIn(drainingFolder(paths)).flatMap((name) => {
    const file = path.join(drainingFolder(paths), name);
    try {
      const caddy = ours(Number(name), paths);
      if (caddy === undefined) {
        rmSync(file, { force: true });
        return [];
      }
      return [{ pid: caddy.pid, startTicks: caddy.startTicks, ...drainingTimes(file) }];
    } catch {
      // It has just begun, or ended.
      return [];
    }
  });
}

/** What the file says; its own times where the disk took no more than its name (caddy/handover). */
function drainingTimes(file: string): Pick<DrainingCaddy, "since" | "until"> {
  const text = readFileSync(file, "utf8");
  if (text !== "") {
    const { since, until } = JSON.parse(text) as DrainingCaddy;
    return { since, until };
  }
  const { ctime, mtime } = statSync(file);
  return { since: ctime.toISOString(), until: mtime.toISOString() };
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether a Caddy was replaced. */
export function isDraining(paths: CaddyPaths, pid: number): boolean {
  return existsSync(path.join(drainingFolder(paths), String(pid)));
}

/**
 * Finds our Caddy by the pid file, else among all processes. It counts as ours by its command line
 * (`… run --config <folder>/config.json`), so that a number that was given to another program is never taken. One that was replaced is not looked for.
 */
export function findRunningCaddy(paths: CaddyPaths): RunningCaddy | undefined {
  const named = readPid(paths);
  const known = named === undefined || isDraining(paths, named) ? undefined : ours(named, paths);
  if (known !== undefined) return known;
  for (const pid of listProcesses()) {
    const found = isDraining(paths, pid) ? undefined : ours(pid, paths);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Path of the program of our Caddy that serves; undefined where there is none, or where it may not be seen. */
export function servingProgram(folder: string): string | undefined {
  const found = findRunningCaddy({ binary: "", folder });
  return found === undefined ? undefined : programPath(found.pid);
}

/** All Caddys of the folder, whatever they do: also one that is about to take over, which no file names yet. */
export function findAll(paths: CaddyPaths): readonly ProcessIdentity[] {
  return listProcesses().flatMap((pid) => ours(pid, paths) ?? []);
}

/**
 * Keeps the number where operators and the next manager look for it: hypeman's `caddy.pid`, the bare number. On a disk
 * that takes nothing it is left out: our Caddy is found without it.
 */
export async function writePid(paths: CaddyPaths, pid: number): Promise<void> {
  try {
    await writeFile(pidPath(paths), `${pid}\n`, { mode: 0o600 });
    // The mode above is for a new file only, and hypeman leaves one that everybody may read.
    await chmod(pidPath(paths), 0o600);
  } catch (error) {
    if (!["ENOSPC", "EDQUOT", "EROFS", "EIO"].includes(String((error as NodeJS.ErrnoException).code)))
      throw error;
  }
}

function readPid(paths: CaddyPaths): number | undefined {
  try {
    const pid = Number(readFileSync(pidPath(paths), "utf8").trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process with this command line is the Caddy of this folder. */
export function isOurCommandLine(args: readonly string[], paths: CaddyPaths): boolean {
  const config = args[args.indexOf("--config") + 1];
  return args[1] === "run" && config !== undefined && samePath(config, configPath(paths));
}

function ours(pid: number, paths: CaddyPaths): RunningCaddy | undefined {
  if (!isOurCommandLine(commandLine(pid), paths)) return undefined;
  const identity = identify(pid);
  if (identity === undefined) return undefined;
  // A program with file capabilities hides itself from other processes; then it is taken for the right one.
  return { ...identity, outdated: runsProgram(pid, paths.binary) === false };
}

function samePath(one: string, other: string): boolean {
  return one === other || real(one) === real(other);
}

function real(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return path.resolve(file);
  }
}
