import { join } from "node:path";
import type { Config } from "../config.ts";
import { type PrefetchedFolder, prefetchFolder } from "../store/bundle/prefetched-folder.ts";
import { ingressesFolder } from "./ingresses-folder.ts";

/** The large folders of documents, which are looked at while the rest of Gatewright is loaded. */
export interface PrefetchedFolders {
  readonly ingresses: PrefetchedFolder | undefined;
  readonly instances: PrefetchedFolder | undefined;
}

/** Begins to look at the folders that this configuration will open. */
export function prefetchFolders(config: Config): PrefetchedFolders {
  const { dataDir, instances } = config;
  return {
    instances: instances.source === "registry" ? prefetchFolder(join(dataDir, "instances")) : undefined,
    ingresses: prefetchFolder(ingressesFolder(config)),
  };
}
