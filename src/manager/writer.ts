import { setTimeout as sleep } from "node:timers/promises";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { SetAsideIngress } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import type { SerialQueue } from "../util/serial-queue.ts";
import { Slices } from "../util/slices.ts";
import type { Track } from "../util/track.ts";
import type { ApplyStep } from "./apply-step.ts";
import { documentsOf } from "./batch-documents.ts";
import type { Catalog, IngressChange, RowChanges } from "./catalog.ts";
import type { Commit } from "./ingress-events.ts";
import { OthersCommits } from "./others-commits.ts";
import type { Reconciler } from "./reconciler.ts";
import { mergeRows, type Rehearsal, type StagedSteps, Staging } from "./staging.ts";

/** A change that a caller waits for. */
export interface Mutation {
  /** Whose change it is. */
  readonly by: Attribution;
  /**
   * Decides the changes, which are made together or not at all, on top of everything staged before them; each is staged
   * before the next is asked for. An ingress may go and come again on the way: what counts is what it was and is. Called
   * again when an earlier mutation of its batch is refused. Throws a GatewrightError to refuse itself.
   */
  decide(state: WriterState): Iterable<IngressChange>;
}

/** What a mutation is decided on. */
export interface WriterState {
  /** Revision of the store; undefined when changes that have none yet come before in the same batch. */
  readonly revision: number | undefined;
}

export interface WriterOptions {
  readonly catalog: Catalog;
  readonly store: IngressStore;
  readonly reconciler: Pick<Reconciler, "apply" | "noteStored" | "restore" | "restoreSoon">;
  /** Batches and restorings take turns in it. */
  readonly turns: SerialQueue;
  /** Revision of the store when the catalog was filled from it. */
  readonly revision: number;
  /** Hears of each batch that is served and durable, before its callers do. Must not throw. */
  readonly onCommit?: (commits: readonly Commit[]) => void;
  /** Hears of ingresses of others that cannot be served here. Must not throw. */
  readonly onSetAside?: (entry: SetAsideIngress) => void;
  /** Runs each change, and each step of a batch; the size of the first step is how many changes go together. */
  readonly track: Track<ApplyStep>;
}

/** A mutation that is served and durable. */
export interface Committed {
  readonly changes: readonly IngressChange[];
  /** Of the store, with the mutation. */
  readonly revision: number;
}

interface Waiting {
  readonly mutation: Mutation;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

interface Staged extends Waiting, StagedSteps {}

/** Mutations that go together at the most: bounds a delta's size and the work lost by a refusal. */
const MAX_BATCH = 512;
/**
 * Where the store is others' too a commit costs a round trip to its quorum, and the turn of another gateway: a batch waits so long
 * for callers of the last one to come again, who else would find the first of them gone alone. Milliseconds.
 */
const LINGER_MS = 2;
/** So often a batch is decided again because another gateway was faster; each time one of them was stored. */
const MOST_CONFLICTS = 200;

/**
 * The single writer. Mutations queue up while an apply is in flight and then go together in the next one:
 * decide → stage → Caddy → store → answer. docs/applying.md has the state table.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #queue: Waiting[] = [];
  readonly #staging: Staging;
  readonly #others: OthersCommits;
  #revision: number;
  #scheduled = false;
  /** How many changes went together the last time. */
  #lastBatch = 0;
  #closed = false;
  /** What Caddy has of a batch that was not stored, and the way back. */
  #ahead: { readonly version: string; readonly back: RowChanges } | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#revision = options.revision;
    this.#staging = new Staging(options.catalog);
    this.#others = new OthersCommits({ ...options, staging: this.#staging });
  }

  /** Begins to serve what others commit to the store. */
  follow(): void {
    this.#options.store.others?.onArrival(() => this.#schedule());
    this.#schedule();
  }

  /**
   * Makes sure that nothing is missing of what others have committed until now; returns whether this is another revision
   * than the one that was seen. Throws `store_unavailable`.
   */
  async catchUp(seen: number): Promise<boolean> {
    const { store, turns } = this.#options;
    if (store.others === undefined) return false;
    const refusal = store.others.refusal();
    if (refusal !== undefined) throw refusal;
    await store.others.confirm();
    await turns.run(() => this.#takeOver());
    return this.#revision !== seen;
  }

  /** Applies a mutation; resolves when it is served and durable. */
  submit(mutation: Mutation): Promise<Committed> {
    if (this.#closed)
      return Promise.reject(
        new GatewrightError("shutting_down", "Gatewright is stopping; nothing was changed."),
      );
    const refusal = this.#options.store.others?.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { promise, reject, resolve } = Promise.withResolvers<Committed>();
    this.#queue.push({ mutation, resolve, reject });
    this.#schedule();
    return this.#options.track("change", () => promise);
  }

  /**
   * Stages a mutation on what is committed, has somebody look at it, and takes it back: Caddy and the store hear nothing of
   * it. `prepare` is called before it is staged. Throws as the mutation does.
   */
  rehearse<T>(mutation: Pick<Mutation, "decide">, prepare: () => (rehearsal: Rehearsal) => T): Promise<T> {
    return this.#options.turns.run(async () => {
      const look = prepare();
      const decided = mutation.decide({ revision: this.#revision });
      const { changes, rows, steps } = await this.#staging.stage(decided);
      try {
        return await look({ changes, rows });
      } finally {
        await this.#staging.unstage(steps);
      }
    });
  }

  /** Revision of the store. */
  get revision(): number {
    return this.#revision;
  }

  /** How many changes wait for the batch under way. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Refuses new mutations and waits for those that were accepted. */
  async close(): Promise<void> {
    this.#closed = true;
    // The batch under way has left the queue; it ends with its turn.
    do await this.#options.turns.run(async () => undefined);
    while (this.#queue.length > 0 || this.#scheduled);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    void this.#options.turns.run(async () => {
      this.#scheduled = false;
      const { others } = this.#options.store;
      const isEarly = this.#queue.length > 0 && this.#queue.length < this.#lastBatch;
      if (others !== undefined && isEarly) await sleep(LINGER_MS);
      await this.#takeOver();
      const waiting = this.#queue.splice(0, MAX_BATCH);
      if (waiting.length > 0) this.#lastBatch = waiting.length;
      // What others committed may be all there is.
      if (waiting.length > 0) await this.#runBatch(waiting);
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  async #runBatch(waiting: readonly Waiting[], conflicts = 0): Promise<void> {
    const { reconciler, track } = this.#options;
    const staged = await track("stage", () => this.#stage(waiting), waiting.length);
    if (staged.every(({ changes }) => changes.length === 0)) {
      // Equal already: nothing is written.
      for (const one of staged) one.resolve({ changes: [], revision: this.#revision });
      return;
    }
    let isApplied = false;
    try {
      await track("apply", async () => {
        await this.#apply(
          staged.map(({ rows }) => rows),
          false,
        );
        isApplied = true;
      });
      await this.#persist(staged);
    } catch (error) {
      const version = this.#options.catalog.stagedVersion;
      const back = await this.#staging.unstage(staged.flatMap(({ steps }) => steps));
      if (isApplied && isOvertaken(error, this.#options.store) && conflicts < MOST_CONFLICTS) {
        // Caddy goes from here to what the other gateway made of it, in one step.
        this.#ahead = { version, back };
        await this.#takeOver();
        // What came meanwhile goes with it: where gateways take turns, each turn counts.
        const more = this.#queue.splice(0, Math.max(0, MAX_BATCH - staged.length));
        return this.#runBatch([...staged, ...more], conflicts + 1);
      }
      // What Caddy serves is what is stored when the caller hears that its change was not.
      if (isApplied) await reconciler.restore();
      if (staged.length > 1 && isRefusal(error)) {
        // Only the guilty one is refused: halve, and decide the rest again on top of what remains.
        const middle = Math.ceil(staged.length / 2);
        await this.#runBatch(staged.slice(0, middle), conflicts);
        await this.#runBatch(staged.slice(middle), conflicts);
        return;
      }
      for (const one of staged) one.reject(error);
    }
    // What runs may be more than what is needed.
    reconciler.restoreSoon();
  }

  /** Serves what others have committed meanwhile, in this turn. Never throws: it is stored already. */
  async #takeOver(): Promise<void> {
    const { onCommit, reconciler, store } = this.#options;
    const commits = store.others?.take() ?? [];
    const last = commits.at(-1);
    if (last === undefined) {
      if (this.#ahead !== undefined) await reconciler.restore();
      this.#ahead = undefined;
      return;
    }
    const told = await this.#others.serve(commits, (rows) => this.#apply([rows], true));
    this.#ahead = undefined;
    this.#revision = last.revision;
    onCommit?.(told);
    reconciler.restoreSoon();
  }

  async #stage(waiting: readonly Waiting[]): Promise<readonly Staged[]> {
    const staged: Staged[] = [];
    const slices = new Slices();
    for (const one of waiting) {
      const revision = staged.length === 0 ? this.#revision : undefined;
      try {
        staged.push({ ...one, ...(await this.#staging.stage(one.mutation.decide({ revision }), slices)) });
      } catch (error) {
        one.reject(error);
      }
    }
    return staged;
  }

  /** Has Caddy serve what is staged, from what it has. */
  async #apply(staged: readonly RowChanges[], isStored: boolean): Promise<void> {
    const { catalog, reconciler } = this.#options;
    const from = this.#ahead?.version ?? catalog.committedVersion;
    const rows = this.#ahead === undefined ? staged : [this.#ahead.back, ...staged];
    await reconciler.apply({ from, isStored, ...(await mergeRows(rows)) });
    this.#ahead = undefined;
  }

  async #persist(staged: readonly Staged[]): Promise<void> {
    const { catalog, reconciler, store, track } = this.#options;
    const batch = { expected: this.#revision, ...(await documentsOf(staged)) };
    const revision = await track("persist", () => store.commit(batch));
    // Where thousands change, each of the steps takes milliseconds and cannot be parted.
    const slices = new Slices();
    const size = batch.puts.length + batch.deletes.length;
    await slices.after(size);
    await track("commit", async () => {
      this.#revision = revision;
      catalog.commit();
    });
    await slices.after(size);
    this.#options.onCommit?.(staged.map(({ changes, mutation: { by } }) => ({ changes, by })));
    for (const one of staged) one.resolve({ changes: one.changes, revision: this.#revision });
    await reconciler.noteStored();
  }
}

/** Whether the store took another's commit first. */
function isOvertaken(error: unknown, { others }: IngressStore): boolean {
  return others !== undefined && isGatewrightError(error, "store_conflict");
}

/** Refusals that one mutation of a batch can be guilty of. */
function isRefusal(error: unknown): boolean {
  return (["config_validation_failed", "port_in_use", "port_not_permitted"] as const).some((code) =>
    isGatewrightError(error, code),
  );
}
