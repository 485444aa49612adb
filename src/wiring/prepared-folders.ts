import { join } from "node:path";
import type { Config } from "../config.ts";
import { type PreparedFolder, prepareFolder } from "../store/prepared-folder.ts";

/** The large folders of documents, which are looked at while the rest of Gatewright is loaded. */
export interface PreparedFolders {
  readonly ingresses: PreparedFolder | undefined;
  readonly instances: PreparedFolder | undefined;
}

/** Begins to look at the folders that this configuration will open. */
export function prepareFolders({ dataDir, instances }: Config): PreparedFolders {
  return {
    instances: instances.source === "registry" ? prepareFolder(join(dataDir, "instances")) : undefined,
    ingresses: prepareFolder(join(dataDir, "ingresses")),
  };
}
