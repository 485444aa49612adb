import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { commandLine, listProcesses } from "../../caddy/process-identity.ts";
import { Slices } from "../../util/slices.ts";

/** A socket that is listened on, and by whom. */
export interface HeldSocket {
  readonly network: "tcp" | "udp";
  readonly port: number;
  /** Empty: who it is cannot be seen. */
  readonly pids: readonly number[];
}

const files = ["tcp", "tcp6", "udp", "udp6"] as const;
/** proc_net(5): state of a socket that listens; of UDP, of one that is bound. */
const states = { tcp: "0A", udp: "07" } as const;

/** All sockets that are listened on, as /proc tells; none where there is no /proc. */
export async function heldSockets(): Promise<readonly HeldSocket[]> {
  const found = files.flatMap((file) => {
    const network = file.startsWith("tcp") ? "tcp" : "udp";
    return linesOf(`/proc/net/${file}`).flatMap((line) => {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const port = Number.parseInt(local.split(":")[1] ?? "", 16);
      return state === states[network] && port > 0 ? [{ network, port, inode } as const] : [];
    });
  });
  const holders = await holdersOf(new Set(found.map(({ inode }) => inode)));
  return found.map(({ inode, ...socket }) => ({ ...socket, pids: holders.get(inode) ?? [] }));
}

/** What a process is called. */
export function programName(pid: number): string {
  const [program = "", script = ""] = commandLine(pid);
  const name = basename(program);
  return /^(?:node|python|ruby|java|sh|bash)/.test(name) && script !== ""
    ? `${name} ${basename(script)}`
    : name || "a process";
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\n").slice(1);
  } catch {
    return [];
  }
}

/** Which processes have the sockets of these inodes. Of other users' processes only root sees any. */
async function holdersOf(inodes: ReadonlySet<string>): Promise<ReadonlyMap<string, readonly number[]>> {
  const slices = new Slices();
  const holders = new Map<string, number[]>();
  for (const pid of listProcesses())
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      await slices.after(1);
      const inode = /^socket:\[(\d+)\]$/.exec(target(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      const pids = holders.get(inode) ?? [];
      if (!pids.includes(pid)) holders.set(inode, [...pids, pid]);
    }
  return holders;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function target(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
