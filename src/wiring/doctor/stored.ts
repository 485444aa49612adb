import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import { readStoredIngress } from "../../manager/fill-catalog.ts";
import type { Ingress } from "../../model/api.ts";
import { readStoredToken, type StoredToken } from "../../tokens/stored-token.ts";
import { admissionSettings } from "../admission-settings.ts";

/** What is stored. */
export interface Stored {
  readonly ingresses: Iterable<Ingress>;
  readonly count: number;
  readonly tokens: readonly StoredToken[];
  /** Files that cannot be read, as paths below DATA_DIR. */
  readonly unreadable: readonly string[];
}

/** Reads the document files; nothing is locked or changed. What a running Gatewright has not written out yet is not seen. */
export async function readStored(config: Config): Promise<Stored> {
  const { ports } = admissionSettings(config);
  const ingresses = await readFolder(config, "ingresses", (value) => readStoredIngress(value, ports));
  const tokens = await readFolder(config, "tokens", readStoredToken);
  return {
    ingresses: ingresses.documents,
    count: ingresses.documents.length,
    tokens: tokens.documents,
    unreadable: [...ingresses.unreadable, ...tokens.unreadable],
  };
}

async function readFolder<T>(
  { dataDir }: Config,
  name: string,
  read: (value: unknown) => T,
): Promise<{ readonly documents: readonly T[]; readonly unreadable: readonly string[] }> {
  const folder = join(dataDir, name);
  const files = (await readdir(folder).catch(() => [])).filter((file) => /^[^.].*\.json$/.test(file));
  const documents: T[] = [];
  const unreadable: string[] = [];
  for (const file of files) {
    try {
      documents.push(read(JSON.parse(await readFile(join(folder, file), "utf8"))));
    } catch {
      unreadable.push(join(name, file));
    }
  }
  return { documents, unreadable };
}
