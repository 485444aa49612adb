import { Worker } from "node:worker_threads";
import { type FolderScan, scanFolder } from "./folder-scan.ts";

/** Scans a folder in a thread of its own while this one does something else. */
export class FolderScanner {
  readonly #folder: string;
  readonly #worker: Worker;
  readonly #scan: Promise<FolderScan>;

  constructor(folder: string) {
    this.#folder = folder;
    this.#worker = new Worker(new URL("scan-worker.ts", import.meta.url), {
      workerData: folder,
      execArgv: [],
    });
    const { promise, resolve, reject } = Promise.withResolvers<FolderScan>();
    this.#worker.once("message", resolve);
    this.#worker.once("error", reject);
    this.#worker.once("exit", () => reject(new Error("The scan was ended.")));
    // `result()` scans again; until it is called nobody handles the rejection.
    promise.catch(() => undefined);
    this.#scan = promise;
  }

  /** What was found. A scan that failed in its thread is repeated here, whatever the reason. Throws as `scanFolder`. */
  async result(): Promise<FolderScan> {
    try {
      return await this.#scan;
    } catch {
      return scanFolder(this.#folder);
    }
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
