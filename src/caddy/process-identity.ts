import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * One process, never another one that got its number later: the start time tells them apart.
 * Source: proc_pid_stat(5). Systems without /proc know no identities, so nothing there is adopted or signalled.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startTicks: string;
}

/** The process with this number; undefined when there is none, or only its unreaped remains. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readProc(pid, "stat");
  // The second field is the program's name in parentheses and may hold anything, parentheses and spaces too.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields?.[0];
  const startTicks = fields?.[19];
  if (startTicks === undefined || state === "Z" || state === "X") return undefined;
  return { pid, startTicks };
}

/** Whether exactly this process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTicks === identity.startTicks;
}

/** Sends the signal if the process still runs. Returns whether it did. Throws EPERM for somebody else's process. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Waits until the process has ended, at most `limitMs`. Returns whether it has. */
export async function awaitEnd(identity: ProcessIdentity, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (isAlive(identity)) {
    if (performance.now() >= deadline) return false;
    await sleep(20);
  }
  return true;
}

/** The process's arguments, the program first; empty when they cannot be read. */
export function commandLine(pid: number): readonly string[] {
  return readProc(pid, "cmdline")?.replace(/\0$/, "").split("\0") ?? [];
}

/** The process's environment as it was started with; undefined where it cannot be read. */
export function environmentOf(pid: number): ReadonlyMap<string, string> | undefined {
  const entries = readProc(pid, "environ")?.split("\0").filter(Boolean);
  return entries && new Map(entries.map((entry) => splitOnce(entry, "=")));
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Path of the process's program, ` (deleted)` behind it when the file was replaced; undefined where not allowed. */
export function programPath(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/**
 * Whether a process runs the program that a file has now; undefined where that cannot be seen. Paths do not tell: a process that was
 * started in another mount namespace, as by the unit of systemd, has the same file under another one.
 */
export function runsProgram(pid: number, file: string): boolean | undefined {
  try {
    const program = statSync(`/proc/${pid}/exe`);
    const present = statSync(file, { throwIfNoEntry: false });
    return program.ino === present?.ino && program.dev === present.dev;
  } catch {
    return undefined;
  }
}

/** Numbers of all processes that can be seen. */
export function listProcesses(): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}
