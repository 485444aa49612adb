import { randomUUID } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PRIVATE_FILE_MODE, systemCode, writeDurably } from "./durable.ts";

/** Name of the file in a store's folder that tells it from others. */
const ID_FILE = ".id";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The id of the store in a folder: made once, copied with the folder, and gone with it, so that an empty folder in a
 * store's place is told from a store whose documents were all deleted. The folder must exist. Throws
 * `store_unavailable` and the operating system's errors.
 */
export async function storeId(folder: string): Promise<string> {
  const path = join(folder, ID_FILE);
  const known = await readFile(path, "utf8").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  });
  if (UUID.test(known.trim())) {
    await chmod(path, PRIVATE_FILE_MODE);
    return known.trim();
  }
  const id = randomUUID();
  await writeDurably(path, `${id}\n`);
  return id;
}
