import type { Config } from "../config.ts";
import { type PrefetchedFolder, prefetchFolder } from "../store/bundle/prefetched-folder.ts";
import { setFolder } from "./set-folder.ts";

/** The large folders of documents, which are looked at while the rest of Gatewright is loaded. */
export interface PrefetchedFolders {
  readonly ingresses: PrefetchedFolder | undefined;
  readonly instances: PrefetchedFolder | undefined;
}

/** Begins to look at the folders that this configuration will open. */
export function prefetchFolders(config: Config): PrefetchedFolders {
  return {
    instances:
      config.instances.source === "registry" ? prefetchFolder(setFolder(config, "instances")) : undefined,
    ingresses: prefetchFolder(setFolder(config, "ingresses")),
  };
}
