import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type BundleDraft, draftName, installBundle } from "./bundle.ts";
import type { BundleAnswer, BundleOrder } from "./bundle-order.ts";
import type { DocumentCheck } from "./document-check.ts";

/** When a bundle is written. */
export interface BundleSettings {
  readonly folder: string;
  /** Where documents are checked. Default: they are not. */
  readonly documentCheck?: DocumentCheck | undefined;
  /** Folders with fewer documents get none: reading them takes milliseconds. */
  readonly fewest: number;
  /** From the time that it is stale until it is written. */
  readonly delayMs: number;
  /** Between two bundles at least. */
  readonly intervalMs: number;
  /** How many changes are not in the documents' files yet: a draft that begins now may miss them. */
  readonly pending: () => number;
  /** Told why none could be written; the next start is slower, nothing else. */
  readonly onError: (error: unknown) => void;
}

/** A bundle is stale when more than this share of the documents differs from it. */
const STALE_SHARE = 0.1;
const HEAP_MB = 64;

/**
 * Has the bundle drafted by a process of its own, whenever enough documents differ from it. A thread would leave this
 * process with 15 MB more. The draft is put in place here: the process that drafted it may outlive the one that held the folder.
 */
export class BundleUpdater {
  readonly #settings: BundleSettings;
  #documents: number;
  #stale = 0;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #drafter: ChildProcess | undefined;
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
    if (this.#closed || this.#timer !== undefined || this.#drafter !== undefined) return;
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
    const drafter = this.#drafter;
    if (drafter?.pid === undefined) return;
    if (drafter.exitCode === null && drafter.signalCode === null) {
      drafter.ref();
      drafter.kill("SIGKILL");
      await once(drafter, "exit");
    }
    await rm(`${this.#settings.folder}/${draftName(drafter.pid)}`, { force: true });
  }

  #write(): void {
    this.#timer = undefined;
    const before = this.#stale - this.#settings.pending();
    const { folder, documentCheck, onError } = this.#settings;
    const drafter = fork(fileURLToPath(new URL("bundle-process.ts", import.meta.url)), {
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#drafter = drafter;
    drafter.unref();
    drafter.channel?.unref();
    let answered = false;
    drafter.on("message", (answer: BundleAnswer) => {
      answered = true;
      if (this.#closed) return;
      try {
        if ("error" in answer) throw new Error(answer.error);
        this.#install(answer, before);
      } catch (error) {
        onError(error);
      }
    });
    const ended = (reason: unknown): void => {
      if (this.#drafter !== drafter) return;
      this.#drafter = undefined;
      this.#writtenAt = performance.now();
      if (!answered && !this.#closed) onError(reason);
      this.note(0);
    };
    drafter.on("error", ended);
    drafter.on("exit", (code, signal) => ended(new Error(`Its process ended with ${signal ?? code}.`)));
    const order: BundleOrder = { folder, documentCheck };
    drafter.send(order);
  }

  #install(draft: BundleDraft, before: number): void {
    installBundle(this.#settings.folder, draft);
    this.#documents = draft.written + draft.young;
    this.#stale += draft.young - before;
  }
}
