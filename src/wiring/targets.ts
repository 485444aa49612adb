import { join } from "node:path";
import type { Config } from "../config.ts";
import { openFileStore } from "../store/file-store.ts";
import { parseTraffic } from "../targets/instance-modes.ts";
import { openTargets, type Targets, type TargetsOptions } from "../targets/targets.ts";
import { targetRefusal } from "../validation/target-guard.ts";
import { admissionSettings } from "./admission-settings.ts";

/** The targets of this process, with its data directory and its guard. */
export function createTargets(
  config: Config,
  options: Omit<TargetsOptions, "store" | "refuses">,
): Promise<Targets> {
  const { guard } = admissionSettings(config);
  return openTargets({
    ...options,
    store: openFileStore({ folder: join(config.dataDir, "traffic"), validate: parseTraffic }),
    refuses: (ip, port) => targetRefusal(ip, port, guard),
  });
}
