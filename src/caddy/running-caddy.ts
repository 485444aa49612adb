import { readFileSync, realpathSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  commandLine,
  identify,
  listProcesses,
  type ProcessIdentity,
  programPath,
} from "./process-identity.ts";

/** Where the files of one Caddy are. */
export interface CaddyPlace {
  readonly binary: string;
  /** `<DATA_DIR>/caddy`. */
  readonly folder: string;
}

/** A Caddy that was started from our folder. */
export interface RunningCaddy extends ProcessIdentity {
  /** Whether it runs another program than `binary`, such as the one before an upgrade. */
  readonly outdated: boolean;
}

export function configPath(place: CaddyPlace): string {
  return path.join(place.folder, "config.json");
}

export function pidPath(place: CaddyPlace): string {
  return path.join(place.folder, "caddy.pid");
}

/**
 * Finds our Caddy by the pid file, else among all processes. It counts as ours by its command line
 * (`… run --config <folder>/config.json`), so that a number that was given to another program is never taken.
 */
export function findRunningCaddy(place: CaddyPlace): RunningCaddy | undefined {
  const named = readPid(place);
  const known = named === undefined ? undefined : ours(named, place);
  if (known !== undefined) return known;
  for (const pid of listProcesses()) {
    const found = ours(pid, place);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Keeps the number where operators and the next manager look for it: hypeman's `caddy.pid`, the bare number. */
export async function writePid(place: CaddyPlace, pid: number): Promise<void> {
  await writeFile(pidPath(place), `${pid}\n`, { mode: 0o600 });
  // The mode above is for a new file only, and hypeman leaves one that everybody may read.
  await chmod(pidPath(place), 0o600);
}

function readPid(place: CaddyPlace): number | undefined {
  try {
    const pid = Number(readFileSync(pidPath(place), "utf8").trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process with this command line is the Caddy of this folder. */
export function isOurCommandLine(args: readonly string[], place: CaddyPlace): boolean {
  const config = args[args.indexOf("--config") + 1];
  return args[1] === "run" && config !== undefined && samePath(config, configPath(place));
}

function ours(pid: number, place: CaddyPlace): RunningCaddy | undefined {
  if (!isOurCommandLine(commandLine(pid), place)) return undefined;
  const identity = identify(pid);
  if (identity === undefined) return undefined;
  // A program with file capabilities hides its path from other processes; then it is taken for the right one.
  const program = programPath(pid);
  return { ...identity, outdated: program !== undefined && !samePath(program, place.binary) };
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
