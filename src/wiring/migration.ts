import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import type { EtcdClient } from "../store/etcd/client.ts";

/** In DATA_DIR while documents are moved there. */
export const MIGRATION_FILE = "migration.json";

/** The key below ETCD_PREFIX while documents are moved to etcd: its value says from which folder. */
export function migrationKey(prefix: string): string {
  return `${prefix}migration`;
}

/** Throws `config_invalid` where the files are those of a move from etcd that was not finished. */
export function checkFilesMoved({ dataDir, store }: Pick<Config, "dataDir" | "store">): void {
  if (store.kind === "files" && existsSync(join(dataDir, MIGRATION_FILE)))
    throw unfinished("DATA_DIR has a part of what was to be moved from etcd", "--to files");
}

/** The same of etcd. Where it does not answer nothing is known, and nothing is said. */
export async function checkEtcdMoved(client: EtcdClient, prefix: string): Promise<void> {
  const answer = await client.range({ key: migrationKey(prefix) }).catch(() => undefined);
  if ((answer?.items.length ?? 0) > 0)
    throw unfinished("etcd has a part of what was to be moved there", "--to etcd");
}

/** What the file says; undefined where there is none. */
export async function readMigrationFile(dataDir: string): Promise<string | undefined> {
  return readFile(join(dataDir, MIGRATION_FILE), "utf8").catch(() => undefined);
}

function unfinished(what: string, option: string): GatewrightError {
  return new GatewrightError(
    "config_invalid",
    `${what}: run \`gatewright store migrate ${option}\` again, with the same settings, until it says that all is moved`,
  );
}
