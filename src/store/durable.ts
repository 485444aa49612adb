import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { getSystemErrorMessage } from "node:util";
import { GatewrightError } from "../errors.ts";

/** Mode of every file that Gatewright writes: it may hold keys and tokens. */
export const PRIVATE_FILE_MODE = 0o600;
const TEMPORARY_END = ".tmp";
const LEFTOVER = /^\..+\.[0-9a-f]{12}\.tmp$/;

/** Mode of every folder that Gatewright makes. */
const PRIVATE_FOLDER_MODE = 0o700;

/**
 * Replaces a file so that a crash of the process or the machine leaves the old content or the new, never a mixture:
 * temporary file beside it, fsync, rename, fsync of the folder. The folder must exist.
 * `mode` defaults to 0600 and also holds for a file that exists with a wider one.
 * Throws `store_unavailable`; the old content is then still there, unless only the last step (the folder) failed.
 */
export async function writeDurably(
  path: string,
  data: string | Uint8Array,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${randomBytes(6).toString("hex")}${TEMPORARY_END}`,
  );
  try {
    await using file = await open(temporary, "wx", options.mode ?? PRIVATE_FILE_MODE);
    await file.writeFile(data);
    await file.sync();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary).catch(() => undefined);
    throw storeUnavailable(`${basename(path)} could not be written`, error);
  }
  await syncFolder(dirname(path));
}

/** Removes a file, where there is one, so that it stays removed after a crash. Throws `store_unavailable`. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw storeUnavailable(`${basename(path)} could not be removed`, error);
  }
  await syncFolder(dirname(path));
}

/**
 * Removes what `writeDurably` left in a folder when its process was killed: it may be a key or a token. Only files from
 * before this process are taken, and only who holds the data folder may call it. A folder that is missing has none.
 */
export async function removeLeftovers(
  folder: string,
  before: number = performance.timeOrigin,
): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => LEFTOVER.test(one))) {
    const path = join(folder, name);
    const status = await lstat(path).catch(() => undefined);
    if (status?.isFile() && status.mtimeMs < before) await rm(path).catch(() => undefined);
  }
}

/**
 * Makes a folder, its parents included, with mode 0700, and takes group's and others' rights from one that exists.
 * Parents that exist stay as they are. Throws `store_unavailable`, also for a path that is no folder.
 */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    await makeFolders(path);
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) await chmod(path, PRIVATE_FOLDER_MODE);
  } catch (error) {
    throw storeUnavailable(`The folder ${path} cannot be used`, error);
  }
}

/**
 * As mkdir's `recursive`, which tries for ever where a file system says ENOENT although the parent is there, as /proc
 * does.
 */
async function makeFolders(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  if (found === undefined && dirname(path) !== path) await makeFolders(dirname(path));
  await mkdir(path, { mode: PRIVATE_FOLDER_MODE }).catch(async (error: unknown) => {
    // Made by another at the same time.
    if (systemCode(error) !== "EEXIST" || !(await stat(path)).isDirectory()) throw error;
  });
}

/** Makes creations, renames and removals in a folder survive a crash of the machine. Throws `store_unavailable`. */
export async function syncFolder(path: string): Promise<void> {
  try {
    await using folder = await open(path, "r");
    await folder.sync();
  } catch (error) {
    // Some network and FUSE file systems have no fsync for folders; theirs are written through anyway.
    if (systemCode(error) === "EINVAL") return;
    throw storeUnavailable(`The folder ${basename(path)} could not be made durable`, error);
  }
}

/** A `store_unavailable` with the operating system's reason; the paths in the system's own message stay in `cause`. */
export function storeUnavailable(message: string, cause: unknown): GatewrightError {
  if (cause instanceof GatewrightError && cause.code === "store_unavailable") return cause;
  return new GatewrightError("store_unavailable", `${message}: ${reasonOf(cause)}.`, { cause });
}

/** The code of an operating system error (`ENOSPC`), or undefined for any other. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = systemCode(error);
  if (code === undefined || !("errno" in error) || typeof error.errno !== "number") return error.message;
  // Errors that Node makes by itself have the number without its sign.
  return `${getSystemErrorMessage(-Math.abs(error.errno)) ?? "error"} (${code})`;
}
