import { lstat, readdir } from "node:fs/promises";
import { join, relative } from "node:path";

export interface FoundFile {
  /** Below the folder that was asked for. */
  readonly path: string;
  readonly full: string;
  readonly kind: "file" | "folder" | "other";
  /** Permission bits, such as 0o600. */
  readonly mode: number;
}

/** Everything under a folder, itself included as "". What disappears meanwhile is left out. */
export async function filesUnder(folder: string): Promise<readonly FoundFile[]> {
  const paths = ["", ...(await readdir(folder, { recursive: true }))];
  const found = await Promise.all(
    paths.map(async (path) => {
      const full = join(folder, path);
      const stats = await lstat(full).catch(unlessMissing);
      if (stats === undefined) return [];
      const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "other";
      return [{ path: relative(folder, full), full, kind, mode: stats.mode & 0o777 } as const];
    }),
  );
  return found.flat();
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
