import { isDeepStrictEqual } from "node:util";
import { GatewrightError, isGatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Instance, InstanceState, PutInstanceRequest } from "../model/api.ts";
import { type Attribution, ourselves, somebody } from "../model/attribution.ts";
import { type EventSink, noEvents } from "../model/event.ts";
import { makeId } from "../model/id.ts";
import type { Change, DocumentStore, UnreadableDocument } from "../store/document-store.ts";
import { MOST_CONFLICTS } from "../store/kept-documents.ts";
import { ChangeListeners } from "./change-listeners.ts";
import { type InstanceChange, instanceEvents } from "./instance-events.ts";
import { InstanceIndex } from "./instance-index.ts";
import type { InstanceResolver, Reference, Resolution, ResolverChange } from "./instance-resolver.ts";
import { canonicalName, checkRequest, instanceOf } from "./registry-request.ts";
import { RegistryStage } from "./registry-stage.ts";

/** What the embedded registry stands on. */
export interface RegistryOptions {
  readonly store: DocumentStore<Instance>;
  readonly logger: Logger;
  /** Hears what happens to instances. Default: nobody does. */
  readonly events?: EventSink;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** An instance that was put. */
export interface PutInstanceResult {
  readonly instance: Instance;
  /** False: an instance of this name was there before. */
  readonly created: boolean;
}

/** A change that waits for its commit: how to stage it, and whom to tell. */
interface Pending {
  /** Stages the change and returns what to answer once it is durable. Throws when it is refused. */
  readonly stage: (stage: RegistryStage) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Bounds the size of one commit, and so the time the first change in it waits. */
const LARGEST_BATCH = 1000;

/**
 * The embedded registry: instances that are written over REST and kept in a store.
 * Writes are serialised; those that arrive during a commit go together in the next one. Answers change only after the
 * change is durable.
 */
export class InstanceRegistry implements InstanceResolver {
  readonly #store: DocumentStore<Instance>;
  readonly #logger: Logger;
  readonly #events: EventSink;
  readonly #now: () => Date;
  readonly #index = new InstanceIndex();
  readonly #listeners: ChangeListeners;
  readonly #unreadableIds = new Set<string>();
  #revision = -1;
  #started = false;
  #closed = false;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  #unwatch: () => void = () => undefined;

  constructor(options: RegistryOptions) {
    this.#store = options.store;
    this.#logger = options.logger;
    this.#events = options.events ?? noEvents;
    this.#now = options.now ?? (() => new Date());
    this.#listeners = new ChangeListeners(options.logger);
  }

  /** Opens the store. An instance file that cannot be read is logged and its id stays taken. */
  async start(): Promise<void> {
    const snapshot = await this.#store.open();
    this.#unwatch = this.#store.watch((change) => this.#take(change));
    this.#noteUnreadable(snapshot.unreadable);
    this.#index.fill(snapshot.documents);
    this.#revision = snapshot.revision;
    this.#started = true;
    this.#listeners.tell({ all: true });
  }

  resolve(name: string): Resolution {
    return this.#started ? this.#index.resolve(name) : notStarted;
  }

  async reference(reference: string): Promise<Reference> {
    if (!this.#started) return notStarted;
    const known = this.#index.reference(reference);
    if (known.kind !== "unknown" || this.#store.others?.refusal() !== undefined) return known;
    // It may have been made at another gateway in this moment. While nobody can be asked, what is known counts.
    await this.confirm().catch(() => undefined);
    return this.#index.reference(reference);
  }

  list(): readonly Instance[] {
    return this.#index.list();
  }

  states(): ReadonlyMap<InstanceState, number> {
    return this.#index.states;
  }

  watch(listener: (change: ResolverChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Makes or replaces the instance of this name; state defaults to `Running`, `id` and `created_at` of an instance that
   * is there stay. A request that changes nothing writes nothing. Throws `bad_request`, `already_exists` (the id, or
   * the name as an id, is another instance's), `store_unavailable`, `shutting_down`. `by` says whose change it is;
   * default: Gatewright's own.
   */
  async put(
    name: string,
    request: PutInstanceRequest,
    by: Attribution = ourselves,
  ): Promise<PutInstanceResult> {
    const canonical = canonicalName(name);
    checkRequest(canonical, request);
    const { before, instance } = await this.#write((stage) => this.#stagePut(stage, canonical, request));
    if (before !== instance) this.#tell({ before, after: instance }, by);
    return { instance, created: before === undefined };
  }

  /**
   * Deletes by id, name or unique id prefix and returns what was deleted. Throws `not_found`, `ambiguous`,
   * `store_unavailable`, `shutting_down`.
   */
  async delete(reference: string, by: Attribution = ourselves): Promise<Instance> {
    const before = await this.#write((stage) => {
      const instance = stage.find(reference);
      stage.delete(instance);
      return instance;
    });
    this.#tell({ before }, by);
    return before;
  }

  /**
   * Stores instances as they are, ids and times included, all or none of them. Throws `already_exists` where an id or name is
   * taken, `store_unavailable`, `shutting_down`.
   */
  async restore(instances: readonly Instance[], by: Attribution = ourselves): Promise<void> {
    await this.#write((stage) => {
      for (const instance of instances) {
        this.#checkCollision(stage, instance);
        if (stage.byName(instance.name) !== undefined)
          throw new GatewrightError("already_exists", `two instances have the name "${instance.name}"`);
        stage.put(instance);
      }
    });
    for (const event of instanceEvents(
      instances.map((after) => ({ after })),
      by,
    ))
      this.#events.emit(event);
  }

  #tell(change: InstanceChange, by: Attribution): void {
    for (const event of instanceEvents([change], by)) this.#events.emit(event);
  }

  /** Makes sure that nothing is missing of what other processes had changed until now. Throws `store_unavailable`. */
  async confirm(): Promise<void> {
    await this.#store.others?.confirm();
  }

  /** Waits for the writes under way, refuses later ones and closes the store. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    this.#unwatch();
    this.#listeners.clear();
    await this.#store.close();
  }

  /** `before` is the instance itself where the request changes nothing. */
  #stagePut(
    stage: RegistryStage,
    name: string,
    request: PutInstanceRequest,
  ): { readonly before: Instance | undefined; readonly instance: Instance } {
    const present = stage.byName(name);
    const instance = instanceOf(name, request, present, { makeId, now: this.#now().toISOString() });
    if (present === undefined) this.#checkCollision(stage, instance);
    else if (
      isDeepStrictEqual(
        { ...instance, updated_at: present.updated_at },
        { updated_at: undefined, ...present },
      )
    ) {
      return { before: present, instance: present };
    }
    stage.put(instance);
    return { before: present, instance };
  }

  #checkCollision(stage: RegistryStage, instance: Instance): void {
    if (stage.byId(instance.id) !== undefined || this.#unreadableIds.has(instance.id)) {
      throw new GatewrightError("already_exists", `another instance has the id "${instance.id}"`);
    }
    if (stage.byName(instance.id) !== undefined) {
      throw new GatewrightError("already_exists", `the id "${instance.id}" is the name of another instance`);
    }
    if (stage.byId(instance.name) !== undefined) {
      throw new GatewrightError(
        "already_exists",
        `the name "${instance.name}" is the id of another instance`,
      );
    }
  }

  #write<T>(stage: (stage: RegistryStage) => T): Promise<T> {
    if (this.#closed || !this.#started) {
      return Promise.reject(new GatewrightError("shutting_down", "the instance registry is not open"));
    }
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ stage, resolve: resolve as (value: unknown) => void, reject });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // One turn of the event loop lets the requests that arrived together share the first commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) await this.#commit(this.#pending.splice(0, LARGEST_BATCH));
    this.#writing = undefined;
  }

  /** Commits a batch and answers everyone in it. Never throws. */
  async #commit(batch: readonly Pending[]): Promise<void> {
    try {
      const answers = await this.#decide(batch);
      for (const [at, pending] of batch.entries()) answers[at]?.tell(pending);
    } catch (error) {
      // Refusals too: they may rest on changes of this batch that never became durable.
      for (const pending of batch) pending.reject(error);
    }
  }

  /**
   * The outcomes of a batch, once they are durable. Where another process was faster it is decided again on top of what that
   * one did, and so is what would be refused, or change nothing, for something that others may have changed.
   */
  async #decide(batch: readonly Pending[]): Promise<readonly Outcome[]> {
    const { others } = this.#store;
    const refusal = others?.refusal();
    if (refusal !== undefined) throw refusal;
    let isPresent = others === undefined;
    for (let conflicts = 0; ; ) {
      const expected = this.#revision;
      const stage = new RegistryStage(this.#index);
      const outcomes = batch.map((pending) => attemptTo(() => pending.stage(stage)));
      const { deletes, puts } = stage;
      const changesNothing = puts.length + deletes.length === 0;
      if (!isPresent && (changesNothing || outcomes.some(({ isRefused }) => isRefused))) {
        isPresent = true;
        await others?.confirm();
        if (this.#revision !== expected) continue;
      }
      if (changesNothing) return outcomes;
      try {
        await this.#store.commit({ expected, puts, deletes });
        return outcomes;
      } catch (error) {
        if (!isGatewrightError(error, "store_conflict") || conflicts === MOST_CONFLICTS) throw error;
        // What another did has come by the store's watch, or comes.
        await new Promise((resolve) => setImmediate(resolve));
        conflicts += 1;
      }
    }
  }

  /** Takes a durable change in, its own or another's. */
  #take({ deletes, puts, revision }: Change<Instance>): void {
    const theirs = this.#store.others?.take().at(-1);
    const ids = [...new Set([...deletes, ...puts.map(({ id }) => id)])];
    const before = theirs === undefined ? [] : ids.map((id) => this.#index.get(id));
    this.#revision = revision;
    for (const id of ids) this.#unreadableIds.delete(id);
    this.#noteUnreadable(theirs?.unreadable ?? []);
    this.#listeners.tell({ names: this.#index.apply(puts, deletes) });
    if (theirs === undefined) return;
    const changes = ids.map((id, at) => ({ before: before[at], after: this.#index.get(id) }));
    for (const event of instanceEvents(changes, somebody)) this.#events.emit(event);
  }

  #noteUnreadable(unreadable: readonly UnreadableDocument[]): void {
    for (const { id, path, reason } of unreadable) {
      this.#unreadableIds.add(id);
      this.#logger.error("an instance file cannot be read", { path, reason });
    }
  }
}

const notStarted = { kind: "unavailable", reason: "the instance registry is not open yet" } as const;

/** What became of a change in its batch, to be told later. */
interface Outcome {
  readonly isRefused: boolean;
  readonly tell: (pending: Pending) => void;
}

function attemptTo(action: () => unknown): Outcome {
  try {
    const value = action();
    return { isRefused: false, tell: (pending) => pending.resolve(value) };
  } catch (error) {
    return { isRefused: true, tell: (pending) => pending.reject(error) };
  }
}
