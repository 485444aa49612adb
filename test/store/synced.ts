import { type FileHandle, open, readlink } from "node:fs/promises";
import { basename } from "node:path";

/**
 * Runs a task and returns the names of the files and folders that were synced meanwhile, in order: whether the system was
 * asked cannot be seen from outside. `note` adds to each what the test knows of the moment.
 */
export async function syncedDuring(
  task: () => Promise<unknown>,
  note: () => string = () => "",
): Promise<readonly string[]> {
  await using probe = await open("/dev/null", "r");
  const prototype = Object.getPrototypeOf(probe) as Record<"sync" | "datasync", FileHandle["sync"]>;
  const { sync, datasync } = prototype;
  const synced: string[] = [];
  const record = (original: FileHandle["sync"]) =>
    async function (this: FileHandle): Promise<void> {
      await original.call(this);
      synced.push(`${basename(await readlink(`/proc/self/fd/${this.fd}`))}${note()}`);
    };
  prototype.sync = record(sync);
  prototype.datasync = record(datasync);
  try {
    await task();
  } finally {
    prototype.sync = sync;
    prototype.datasync = datasync;
  }
  return synced;
}
