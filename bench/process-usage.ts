import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";

/** Linux counts processor time in hundredths of a second for user space (times(2), USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used since its start, in seconds (proc_pid_stat(5)). */
export function cpuSeconds(pid: number): Promise<number> {
  return cpuSecondsOf(`/proc/${pid}/stat`);
}

/** The same of its first thread alone: in Node the one that runs JavaScript. */
export function mainThreadCpuSeconds(pid: number): Promise<number> {
  return cpuSecondsOf(`/proc/${pid}/task/${pid}/stat`);
}

async function cpuSecondsOf(file: string): Promise<number> {
  const text = await readFile(file, "utf8");
  // The fields begin behind the command, which may hold spaces itself.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Processor time of a process and of its children that run. */
export async function cpuSecondsOfTree(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).split(" ").filter(Boolean);
  const all = await Promise.all([pid, ...children.map(Number)].map(cpuSeconds));
  return all.reduce((sum, one) => sum + one, 0);
}

/** Memory of a process that is resident, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
}

/** Resident memory once it has not shrunk by 1 % for three seconds, or after half a minute. */
export async function settledBytes(pid: number): Promise<number> {
  let lowest = await residentBytes(pid);
  for (let second = 0, quiet = 0; second < 30 && quiet < 3; second++) {
    await wait(1000);
    const now = await residentBytes(pid);
    quiet = now < lowest * 0.99 ? 0 : quiet + 1;
    lowest = Math.min(lowest, now);
  }
  return lowest;
}

/** Ties every thread of a process to these processors (taskset of util-linux). */
export async function tieTo(processors: string, pid: number): Promise<void> {
  await promisify(execFile)("taskset", ["-a", "-c", "-p", processors, String(pid)]);
}

/** Every processor, as taskset names them. */
export function allProcessors(): string {
  return `0-${availableParallelism() - 1}`;
}
