import { join } from "node:path";
import type { Config } from "../config.ts";

/** The sets of documents: each a folder of `DATA_DIR`, or what gateways share on etcd. */
export const setNames = ["ingresses", "instances", "traffic", "certificates", "tokens"] as const;

export type SetName = (typeof setNames)[number];

/** Where a set is in files, or the copy of the one on etcd. */
export function setFolder({ dataDir, store }: Pick<Config, "dataDir" | "store">, name: SetName): string {
  return store.kind === "etcd" ? join(dataDir, "etcd", name) : join(dataDir, name);
}
