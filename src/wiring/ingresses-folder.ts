import { join } from "node:path";
import type { Config } from "../config.ts";

/** Where the store of ingresses is in files, or the copy of the one on etcd. */
export function ingressesFolder({ dataDir, store }: Pick<Config, "dataDir" | "store">): string {
  return store.kind === "etcd" ? join(dataDir, "etcd", "ingresses") : join(dataDir, "ingresses");
}
