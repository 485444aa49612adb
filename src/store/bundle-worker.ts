import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { writeBundle } from "./bundle.ts";

// The entry of the worker thread that BundleKeeper starts; not for import.
try {
  // On Linux a thread has a priority of its own (setpriority(2)): serving goes first.
  if (process.platform === "linux") setPriority(0, 19);
} catch {
  // It only takes longer from others then.
}
parentPort?.postMessage(writeBundle(String(workerData)));
