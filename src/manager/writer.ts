import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { Ingress } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import type { Batch } from "../store/document-store.ts";
import type { DocumentChange } from "../store/history/revision.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import type { SerialQueue } from "../util/serial-queue.ts";
import { mapInSlices, Slices } from "../util/slices.ts";
import type { Track } from "../util/track.ts";
import type { ApplyStep } from "./apply-step.ts";
import { type Catalog, changedId, type IngressChange, type RowChanges } from "./catalog.ts";
import type { Commit } from "./ingress-events.ts";
import type { Reconciler } from "./reconciler.ts";

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
  readonly reconciler: Pick<Reconciler, "apply" | "restore" | "restoreSoon">;
  /** Batches and restorings take turns in it. */
  readonly turns: SerialQueue;
  /** Revision of the store when the catalog was filled from it. */
  readonly revision: number;
  /** Hears of each batch that is served and durable, before its callers do. Must not throw. */
  readonly onCommit?: (commits: readonly Commit[]) => void;
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

interface Staged extends Waiting, Rehearsal {
  /** As they were staged. */
  readonly steps: readonly IngressChange[];
}

/** What a mutation does. */
export interface Rehearsal {
  /** One for each ingress. */
  readonly changes: readonly IngressChange[];
  readonly rows: RowChanges;
}

/** Mutations that go together at the most: bounds a delta's size and the work lost by a refusal. */
const MAX_BATCH = 512;

/**
 * The single writer. Mutations queue up while an apply is in flight and then go together in the next one:
 * decide → stage → Caddy → store → answer. docs/applying.md has the state table.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #queue: Waiting[] = [];
  #revision: number;
  #scheduled = false;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#revision = options.revision;
  }

  /** Applies a mutation; resolves when it is served and durable. */
  submit(mutation: Mutation): Promise<Committed> {
    if (this.#closed)
      return Promise.reject(
        new GatewrightError("shutting_down", "Gatewright is stopping; nothing was changed."),
      );
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
      const { changes, rows, steps } = await this.#stageOne(
        mutation,
        { revision: this.#revision },
        new Slices(),
      );
      try {
        return await look({ changes, rows });
      } finally {
        await this.#unstage(steps);
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
      await this.#runBatch(this.#queue.splice(0, MAX_BATCH));
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  async #runBatch(waiting: readonly Waiting[]): Promise<void> {
    const { track } = this.#options;
    const staged = await track("stage", () => this.#stage(waiting), waiting.length);
    if (staged.every(({ changes }) => changes.length === 0)) {
      // Equal already: nothing is written.
      for (const one of staged) one.resolve({ changes: [], revision: this.#revision });
      return;
    }
    let isApplied = false;
    try {
      await track("apply", async () => {
        await this.#apply(staged);
        isApplied = true;
      });
      await this.#persist(staged);
    } catch (error) {
      await this.#unstage(staged.flatMap(({ steps }) => steps));
      // What Caddy serves is what is stored when the caller hears that its change was not.
      if (isApplied) await this.#options.reconciler.restore();
      if (staged.length > 1 && isRefusal(error)) {
        // Only the guilty one is refused: halve, and decide the rest again on top of what remains.
        const middle = Math.ceil(staged.length / 2);
        await this.#runBatch(staged.slice(0, middle));
        await this.#runBatch(staged.slice(middle));
        return;
      }
      for (const one of staged) one.reject(error);
    }
    // What runs may be more than what is needed.
    this.#options.reconciler.restoreSoon();
  }

  /** What is staged in between is nobody's to read or to change but the writer's, whose turn it is. */
  async #stage(waiting: readonly Waiting[]): Promise<readonly Staged[]> {
    const staged: Staged[] = [];
    const slices = new Slices();
    for (const one of waiting) {
      const revision = staged.length === 0 ? this.#revision : undefined;
      try {
        staged.push({ ...one, ...(await this.#stageOne(one.mutation, { revision }, slices)) });
      } catch (error) {
        one.reject(error);
      }
    }
    return staged;
  }

  /** Takes back what it staged when it throws. */
  async #stageOne(
    mutation: Pick<Mutation, "decide">,
    state: WriterState,
    slices: Slices,
  ): Promise<Omit<Staged, keyof Waiting>> {
    const steps: IngressChange[] = [];
    const rows: RowChanges[] = [];
    try {
      for (const change of mutation.decide(state)) {
        const size = Math.max(1, rulesOf(change));
        await slices.after(size);
        rows.push(this.#options.catalog.stage(change));
        steps.push(change);
        await slices.after(size);
      }
    } catch (error) {
      await this.#unstage(steps);
      throw error;
    }
    return { steps, changes: netChanges(steps), rows: mergeRows(rows) };
  }

  async #unstage(steps: readonly IngressChange[]): Promise<void> {
    await mapInSlices([...steps].reverse(), (change) => this.#options.catalog.unstage(change));
  }

  async #apply(staged: readonly Staged[]): Promise<void> {
    const { catalog, reconciler } = this.#options;
    const from = catalog.committedVersion;
    const changes = mergeRows(staged.map(({ rows }) => rows));
    await reconciler.apply({ from, ...changes });
  }

  async #persist(staged: readonly Staged[]): Promise<void> {
    const { catalog, store, track } = this.#options;
    const batch = { expected: this.#revision, ...(await documentsOf(staged)) };
    this.#revision = await track("persist", () => store.commit(batch));
    await track("commit", async () => catalog.commit());
    this.#options.onCommit?.(staged.map(({ changes, mutation: { by } }) => ({ changes, by })));
    for (const one of staged) one.resolve({ changes: one.changes, revision: this.#revision });
  }
}

/** How many rules a change is about: what deciding and staging it costs. */
function rulesOf({ before, after }: IngressChange): number {
  return (before?.rules.length ?? 0) + (after?.rules.length ?? 0);
}

/** Several steps as one change for each ingress: what it was at first, and what it is at last. */
function netChanges(steps: readonly IngressChange[]): readonly IngressChange[] {
  const changes = new Map<string, IngressChange>();
  for (const step of steps) {
    const id = changedId(step);
    if (id === undefined) continue;
    const { before, setAside } = changes.get(id) ?? step;
    changes.set(id, {
      ...(before === undefined ? {} : { before }),
      ...(setAside === undefined ? {} : { setAside }),
      ...(step.after === undefined ? {} : { after: step.after }),
    });
  }
  return [...changes.values()];
}

/** Refusals that one mutation of a batch can be guilty of. */
function isRefusal(error: unknown): boolean {
  return (["config_validation_failed", "port_in_use", "port_not_permitted"] as const).some((code) =>
    isGatewrightError(error, code),
  );
}

/** Several steps of row changes as one: what a later step does to a row counts. */
function mergeRows(steps: readonly RowChanges[]): RowChanges {
  if (steps.length === 1 && steps[0] !== undefined) return steps[0];
  const rows = new Map<string, RowChanges["upsert"][number] | undefined>();
  for (const { remove, upsert } of steps) {
    for (const id of remove) rows.set(id, undefined);
    for (const compiled of upsert) rows.set(compiled.row.id, compiled);
  }
  const remove: string[] = [];
  const upsert: RowChanges["upsert"][number][] = [];
  for (const [id, compiled] of rows) {
    if (compiled === undefined) remove.push(id);
    else upsert.push(compiled);
  }
  return { remove, upsert };
}

/** What a batch leaves, and what the history keeps of it: what each ingress was before all, and who changed it last. */
async function documentsOf(staged: readonly Staged[]): Promise<Omit<Batch<Ingress>, "expected">> {
  const slices = new Slices();
  const changes = new Map<string, DocumentChange<Ingress>>();
  for (const [author, one] of staged.entries()) {
    for (const change of one.changes) {
      await slices.after(1);
      const id = changedId(change);
      if (id === undefined) continue;
      const before = changes.has(id) ? changes.get(id)?.before : (change.before ?? change.setAside?.ingress);
      const { after } = change;
      changes.set(id, {
        author,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
      });
    }
  }
  const all = [...changes];
  return {
    puts: all.flatMap(([, { after }]) => after ?? []),
    deletes: all.flatMap(([id, { after }]) => (after === undefined ? id : [])),
    record: {
      at: new Date().toISOString(),
      authors: staged.map(({ mutation }) => mutation.by),
      changes: all.flatMap(([, change]) =>
        change.before === undefined && change.after === undefined ? [] : change,
      ),
    },
  };
}
