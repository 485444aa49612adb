import { readFile } from "node:fs/promises";
import { importedCertificatePath } from "../compiler/tls.ts";
import type { Config } from "../config.ts";
import { parseTraffic } from "../targets/instance-modes.ts";
import { openTargets, type Targets, type TargetsOptions } from "../targets/targets.ts";
import { targetRefusal } from "../validation/target-guard.ts";
import { admissionSettings } from "./admission-settings.ts";
import { caddyFolder } from "./compiler-settings.ts";
import { openSet, type SharedStore } from "./shared-store.ts";

/** The targets of this process, with its data directory and its guard. */
export function createTargets(
  config: Config,
  shared: SharedStore | undefined,
  options: Omit<TargetsOptions, "store" | "refuses" | "findKeyPair">,
): Promise<Targets> {
  const { guard } = admissionSettings(config);
  return openTargets({
    ...options,
    store: openSet(config, shared, "traffic", { validate: parseTraffic }),
    findKeyPair: (id) => readFile(importedCertificatePath(caddyFolder(config), id), "utf8"),
    refuses: (ip, port) => targetRefusal(ip, port, guard),
  });
}
