import { Worker } from "node:worker_threads";
import type { BundleCount } from "./bundle.ts";
import type { BundleOrder, Checker } from "./checker.ts";

/** When a bundle is written. */
export interface BundleSettings {
  readonly folder: string;
  /** Where documents are checked. Default: they are not. */
  readonly checker?: Checker | undefined;
  /** Folders with fewer documents get none: reading them takes milliseconds. */
  readonly fewest: number;
  /** From the time that it is stale until it is written. */
  readonly delayMs: number;
  /** Between two bundles at least. */
  readonly intervalMs: number;
  /** Told why none could be written; the next start is slower, nothing else. */
  readonly onError: (error: unknown) => void;
}

/** A bundle is stale when more than this share of the documents differs from it. */
const STALE_SHARE = 0.1;
const HEAP_MB = 64;

/** Has the bundle written in a worker thread, whenever enough documents differ from it. */
export class BundleKeeper {
  readonly #settings: BundleSettings;
  #documents: number;
  #stale = 0;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #worker: Worker | undefined;
  #closed = false;

  /** `documents` are present, `stale` of them not as the bundle has them. */
  constructor(settings: BundleSettings, present: { readonly documents: number; readonly stale: number }) {
    this.#settings = settings;
    this.#documents = present.documents;
    this.note(present.stale);
  }

  /** To be called after each commit with the number of documents that it changed. */
  note(changes: number): void {
    this.#stale += changes;
    if (this.#closed || this.#timer !== undefined || this.#worker !== undefined) return;
    const { fewest, delayMs, intervalMs } = this.#settings;
    if (this.#stale < Math.max(fewest, this.#documents * STALE_SHARE)) return;
    const sinceMs = performance.now() - this.#writtenAt;
    const waitMs = Math.max(delayMs, intervalMs - sinceMs);
    this.#timer = setTimeout(() => this.#write(), waitMs).unref();
  }

  /** Ends what is under way; the former bundle stays. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#worker?.terminate();
  }

  #write(): void {
    this.#timer = undefined;
    const before = this.#stale;
    const { folder, checker } = this.#settings;
    const order: BundleOrder = { folder, checker };
    const worker = new Worker(new URL("bundle-worker.ts", import.meta.url), {
      workerData: order,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    this.#worker = worker;
    worker.unref();
    worker.on("message", ({ written, left }: BundleCount) => {
      this.#documents = written + left;
      this.#stale += left - before;
    });
    worker.on("error", (error) => this.#settings.onError(error));
    worker.on("exit", () => {
      this.#worker = undefined;
      this.#writtenAt = performance.now();
      this.note(0);
    });
  }
}
