import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { writeBundle } from "./bundle.ts";
import type { BundleOrder, CreateCheck } from "./checker.ts";

// The entry of the worker thread that BundleKeeper starts; not for import.
try {
  // On Linux a thread has a priority of its own (setpriority(2)): serving goes first.
  if (process.platform === "linux") setPriority(0, 19);
} catch {
  // It only takes longer from others then.
}
const { folder, checker } = workerData as BundleOrder;
let options: Parameters<typeof writeBundle>[1];
if (checker !== undefined) {
  const { createCheck } = (await import(checker.module)) as { readonly createCheck: CreateCheck };
  options = { check: { key: checker.key, validate: createCheck(checker.settings) } };
}
parentPort?.postMessage(writeBundle(folder, options));
