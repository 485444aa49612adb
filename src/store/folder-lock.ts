import { chmodSync, closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GatewrightError } from "../errors.ts";
import { PRIVATE_FILE_MODE, storeUnavailable, systemCode } from "./durable.ts";

/** Name of the lock file. It stays behind, empty; only the kernel's lock on it counts. */
const LOCK_FILE = ".lock";

const SQLITE_BUSY = 5;

/** An exclusive hold on a folder, for one process and one holder in it. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the folder for this process alone, at once or not at all. The kernel lets go when the process ends, however
 * it ends, so there is nothing stale to judge. Throws `store_unavailable`, naming the holder's process id where known.
 *
 * The lock is SQLite's (fcntl on `.lock`), since Node has no call for file locks of its own: pid files race when two
 * starters find a stale one, and Unix sockets do not fit long folder names (108 bytes). The database stays empty.
 */
export function lockFolder(folder: string): FolderLock {
  const path = join(folder, LOCK_FILE);
  let database: DatabaseSync | undefined;
  try {
    createPrivately(path);
    database = new DatabaseSync(path, { timeout: 0 });
    // In memory, so that no `.lock-journal` appears beside it.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (!isBusy(error)) throw storeUnavailable("The lock of the store's folder cannot be taken", error);
    throw new GatewrightError("store_unavailable", `The store is in use by ${describeHolder(path)}.`, {
      cause: error,
    });
  }
  const held = database;
  return { release: () => held.isOpen && held.close() };
}

/** Never opens a file that exists: closing any descriptor of it drops this process's fcntl locks (POSIX close()). */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, "wx", PRIVATE_FILE_MODE));
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    chmodSync(path, PRIVATE_FILE_MODE);
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

function describeHolder(path: string): string {
  const pid = holderOf(path);
  if (pid === process.pid) return `this process (${pid}) itself`;
  return pid === undefined ? "another process" : `process ${pid}`;
}

/** The process that holds a folder; undefined when nobody does, or it cannot be seen. */
export function folderHolder(folder: string): number | undefined {
  return holderOf(join(folder, LOCK_FILE));
}

/** Linux lists who holds which file by inode (proc_locks(5)); elsewhere the holder stays unnamed. */
function holderOf(path: string): number | undefined {
  try {
    const inode = `:${statSync(path).ino} `;
    const line = readFileSync("/proc/locks", "utf8")
      .split("\n")
      .find((candidate) => candidate.includes(inode));
    const pid = Number(/ WRITE +(\d+) /.exec(line ?? "")?.[1]);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
