import { readFile } from "node:fs/promises";
import { filesUnder } from "../files-under.ts";

/**
 * Walks a data folder: which files hold the secret, and which files or folders others may read. Caddy's binaries,
 * which hold no secrets, are left out, and what disappears meanwhile.
 */
export async function privateFiles(
  folder: string,
  secret: string,
): Promise<{ readonly holders: readonly string[]; readonly open: readonly string[] }> {
  const holders: string[] = [];
  const open: string[] = [];
  for (const { path, full, kind, mode } of await filesUnder(folder)) {
    if (path === "" || path === "system" || path.startsWith("system/")) continue;
    if ((mode & 0o077) !== 0) open.push(path);
    if (kind === "file" && (await textOf(full)).includes(secret)) holders.push(path);
  }
  return { holders: holders.sort(), open: open.sort() };
}

async function textOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}
