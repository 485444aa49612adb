import { lstat, readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/**
 * Walks a data folder: which files hold the secret, and which files or folders others may read. Caddy's binaries,
 * which hold no secrets, are left out.
 */
export async function privateFiles(
  folder: string,
  secret: string,
): Promise<{ readonly holders: readonly string[]; readonly open: readonly string[] }> {
  const holders: string[] = [];
  const open: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (name === "system" || name.startsWith("system/")) continue;
    if (((await lstat(path)).mode & 0o077) !== 0) open.push(name);
    if (entry.isFile() && (await readFile(path, "utf8")).includes(secret)) holders.push(name);
  }
  return { holders: holders.sort(), open: open.sort() };
}
