import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "../../util/backoff.ts";
import type { DocumentSet, LaterCommits, LoggedCommit, WholeSet } from "./document-set.ts";
import { EtcdFailure } from "./failure.ts";
import type { Head } from "./head.ts";

export interface FollowerOptions {
  readonly set: DocumentSet;
  /** The last commit that is known. */
  readonly head: () => Head;
  /** Takes in what was missed since the commit `known`; returns false where other news was faster, and it is to be read again. */
  readonly takeIn: (later: LaterCommits | WholeSet, known: Head) => Promise<boolean>;
  /** Takes in a commit; throws where one before it is missing. */
  readonly arrive: (commit: LoggedCommit) => Promise<void>;
  /** Hears that etcd cannot be followed, and that it can. */
  readonly onConnection: (failure: unknown) => void;
  /** How often it is asked whether the watch missed something, in ms. */
  readonly checkMs: number;
}

/** A failure that passes within this time, as while members choose a leader, is none: commits are tried longer. */
const GRACE_MS = 2_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;

/**
 * Follows a set: reads what was missed, then watches. A watch that breaks, or that says nothing while there are newer
 * commits, as one at a member that is cut off, is begun again at another member.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** @param from etcd's revision to watch from; undefined where what was missed has to be read first */
  start(from: number | undefined): void {
    this.#running = this.#run(from);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  /** Reads what was missed now. Returns etcd's revision to watch from. */
  async catchUp(): Promise<number> {
    const { head, set, takeIn } = this.#options;
    for (;;) {
      const known = head();
      // Of a copy without a place it is not known which commit it is of.
      const isUnknown = known.id === "" && known.revision > 0;
      const later = isUnknown ? await set.whole() : await set.since(known);
      if (await takeIn(later, known)) return later.watchFrom;
    }
  }

  async #run(first: number | undefined): Promise<void> {
    const { onConnection } = this.#options;
    const { signal } = this.#closing;
    let from = first;
    let failures = 0;
    let failingSince = 0;
    while (!signal.aborted) {
      try {
        from ??= await this.catchUp();
        onConnection(undefined);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (failures === 0) failingSince = performance.now();
        const isPassing = error instanceof EtcdFailure && error.kind === "unavailable" && !error.isCertain;
        if (!isPassing || performance.now() - failingSince >= GRACE_MS) onConnection(error);
        await sleep(backoffMs(FIRST_RETRY_MS, failures, LONGEST_RETRY_MS), undefined, { signal }).catch(
          () => undefined,
        );
        failures += 1;
        continue;
      }
      // Why it ended shows in reading what was missed.
      await this.#watch(from).catch(() => undefined);
      from = undefined;
    }
  }

  async #watch(from: number): Promise<void> {
    const { arrive, set } = this.#options;
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, this.#closing.signal]);
    const checking = this.#untilMissed(signal).then(() => ending.abort());
    try {
      for await (const commit of set.watch(from, signal)) await arrive(commit);
    } finally {
      ending.abort();
      await checking;
    }
  }

  /** Resolves when a commit that etcd had at one look has not come by the next, or etcd does not answer. */
  async #untilMissed(signal: AbortSignal): Promise<void> {
    const { checkMs, head, set } = this.#options;
    let seen = 0;
    while (!signal.aborted) {
      await sleep(checkMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || head().revision < seen) return;
      try {
        seen = (await set.head()).revision;
      } catch {
        return;
      }
      // It was put back to an earlier state.
      if (seen < head().revision) return;
    }
  }
}
