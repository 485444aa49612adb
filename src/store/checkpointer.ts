import type { GatewrightError } from "../errors.ts";
import { SerialQueue } from "../util/serial-queue.ts";
import type { Track } from "../util/track.ts";
import type { DocumentFiles } from "./document-files.ts";
import { storeUnavailable } from "./durable.ts";
import type { Journal } from "./journal/journal.ts";
import type { StoreWork } from "./store-step.ts";

/** When the work in the background is done, and who hears of its failures. */
export interface CheckpointSettings {
  readonly idleMs: number;
  readonly checkpointBytes: number;
  readonly retryMs: number;
  readonly track: Track<StoreWork>;
  readonly onBackgroundError: (error: GatewrightError) => void;
}

/** What follows the journal. */
type Behind = Pick<DocumentFiles, "isStaged" | "write" | "makeDurable">;

/** What a checkpoint is made of. */
export interface CheckpointParts {
  readonly journal: Journal;
  readonly files: Behind;
  readonly history: Behind;
  /** The queue in which the journal is used. */
  readonly commits: SerialQueue;
}

/** Writes document files and the history behind the commits, and empties the journal once they are durable. */
export class Checkpointer {
  readonly #journal: Journal;
  readonly #files: Behind;
  readonly #history: Behind;
  readonly #commits: SerialQueue;
  readonly #settings: CheckpointSettings;
  readonly #work = new SerialQueue();
  #timer: NodeJS.Timeout | undefined;
  #isScheduled = false;
  #isResting = false;
  #isUnfinished = false;

  constructor(parts: CheckpointParts, settings: CheckpointSettings) {
    this.#journal = parts.journal;
    this.#files = parts.files;
    this.#history = parts.history;
    this.#commits = parts.commits;
    this.#settings = settings;
  }

  /** To be called after each commit: the document files follow at once, a checkpoint when it is due. */
  wake(): void {
    if (this.#isResting) return;
    this.#setTimer(this.#settings.idleMs);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#inBackground(async () => {
      this.#isScheduled = false;
      await this.#files.write();
      await this.#history.write();
      if (this.#journal.bytes >= this.#settings.checkpointBytes) await this.#checkpoint();
    });
  }

  /** Resolves when all commits until now are in durable document files, and only there. */
  async checkpoint(): Promise<void> {
    try {
      await this.#work.run(() => this.#checkpoint());
    } catch (error) {
      throw storeUnavailable("The documents could not be made durable", error);
    }
  }

  /** Runs a task while no file is written behind the commits. */
  alone<R>(task: () => Promise<R>): Promise<R> {
    return this.#work.run(task);
  }

  /** A last checkpoint; its failure loses nothing, since the journal stays. */
  async close(): Promise<void> {
    await this.#work.run(() => this.#checkpoint()).catch((error) => this.#report(error));
    clearTimeout(this.#timer);
  }

  async #checkpoint(): Promise<void> {
    if (!this.#files.isStaged && !this.#history.isStaged && this.#journal.bytes === 0 && !this.#isUnfinished)
      return;
    await this.#settings.track("checkpoint", () => this.#makeDurable());
  }

  async #makeDurable(): Promise<void> {
    this.#isUnfinished = true;
    // In the commits' queue: whatever the older journal files hold is staged by then.
    const older = await this.#commits.run(() => this.#journal.rotate());
    await this.#files.makeDurable();
    await this.#history.makeDurable();
    await this.#journal.remove(older);
    this.#isUnfinished = false;
  }

  #inBackground(task: () => Promise<void>): void {
    this.#work.run(task).catch((error) => {
      this.#isResting = true;
      this.#setTimer(this.#settings.retryMs);
      this.#report(error);
    });
  }

  #setTimer(delayMs: number): void {
    clearTimeout(this.#timer);
    // Does not keep the process alive: the journal has everything.
    this.#timer = setTimeout(() => {
      this.#isResting = false;
      this.#inBackground(() => this.#checkpoint());
    }, delayMs).unref();
  }

  #report(error: unknown): void {
    this.#settings.onBackgroundError(storeUnavailable("Documents are in the journal only for now", error));
  }
}
