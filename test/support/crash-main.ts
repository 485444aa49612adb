/**
 * A manager that kills itself with SIGKILL at a step of docs/applying.md or docs/backup.md: the one whose name stands in the file
 * `crash-at` of its data folder.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ImportStep } from "../../src/archive/import-step.ts";
import { loadConfig } from "../../src/config.ts";
import { createLogger } from "../../src/log.ts";
import type { ApplyStep } from "../../src/manager/apply-step.ts";
import { startGatewright } from "../../src/wiring/gatewright.ts";
import { afterSteps } from "./writer-steps.ts";

const config = loadConfig();
const armed = (): string => {
  try {
    return readFileSync(join(config.dataDir, "crash-at"), "utf8");
  } catch {
    return "";
  }
};

await startGatewright({
  config,
  logger: createLogger(config.log),
  version: "0.0.0",
  progress: () => undefined,
  track: afterSteps<ApplyStep | ImportStep>((step) => {
    if (armed() === step) process.kill(process.pid, "SIGKILL");
  }),
});
