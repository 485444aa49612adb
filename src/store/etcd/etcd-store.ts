import { GatewrightError, isGatewrightError } from "../../errors.ts";
import { JointTask } from "../../util/joint-task.ts";
import { SerialQueue } from "../../util/serial-queue.ts";
import { announce } from "../announce.ts";
import { checkBatchIds } from "../document-id.ts";
import type {
  Batch,
  Change,
  Document,
  DocumentStore,
  Others,
  OthersCommit,
  Snapshot,
} from "../document-store.ts";
import type { Validate } from "../folder-reader.ts";
import type { RevisionLog } from "../history/revision.ts";
import type {
  Attempt,
  DocumentSet,
  LaterCommits,
  LoggedCommit,
  PreparedCommit,
  Rest,
  WholeSet,
} from "./document-set.ts";
import { EtcdFailure } from "./failure.ts";
import { Follower } from "./follower.ts";
import { type Head, noHead } from "./head.ts";
import type { LocalCopy } from "./local-copy.ts";
import { messageOf, patiently, unavailable } from "./patience.ts";
import { Present } from "./present.ts";

export interface EtcdStoreOptions<T extends Document> {
  readonly set: DocumentSet;
  readonly copy: LocalCopy<T>;
  /** Checks what is read. */
  readonly validate: Validate<T>;
  /** Hears when etcd goes away, with the reason, and when it is back (undefined). Default: nobody does. */
  readonly onConnection?: (reason: string | undefined) => void;
  /** What a batch rests on beside its own set. Throws `store_conflict` where that is not there any more. Default: nothing. */
  readonly restsOn?: (batch: Batch<T>) => readonly Rest[];
  /**
   * Makes sure that what these documents refer to in other sets is known here, before others' commits are told. While it
   * throws they are not.
   */
  readonly before?: (puts: readonly Document[]) => Promise<void>;
  /** How long a commit is tried while etcd does not say what became of it. Default: 5000. */
  readonly patienceMs?: number;
  /** How often it is asked whether the watch missed something. Default: 2000. */
  readonly checkMs?: number;
}

/** Since when etcd does not answer, RFC 3339, and why. */
export interface Absence {
  readonly since: string;
  readonly reason: string;
}

/** A DocumentStore on etcd, which others commit to as well, with a copy in files for when etcd is away. */
export class EtcdStore<T extends Document> implements DocumentStore<T> {
  readonly others: Others<T>;
  readonly #options: EtcdStoreOptions<T>;
  readonly #commits = new SerialQueue();
  /** What is heard is taken in one after another. */
  readonly #intake = new SerialQueue();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #arrivalListeners = new Set<() => void>();
  readonly #follower: Follower;
  /** Commits of this process that are under way, by id: a watch may tell of them before their answers come. */
  readonly #own = new Map<string, { readonly batch: Batch<T>; readonly told: (head: Head) => void }>();
  readonly #present: Present<T>;
  #arrived: OthersCommit<T>[] = [];
  #head: Head = noHead;
  #isOpen = false;
  #absence: Absence | undefined;

  constructor(options: EtcdStoreOptions<T>) {
    this.#options = options;
    this.#present = new Present(options.validate);
    this.#follower = new Follower({
      set: options.set,
      checkMs: options.checkMs ?? 2000,
      head: () => this.#head,
      takeIn: (later, known) => this.#intake.run(() => this.#takeIn(later, known)),
      arrive: (commit) => this.#intake.run(() => this.#arrive(commit)),
      onConnection: (failure) => this.#note(failure),
    });
    const confirming = new JointTask(() => patiently(() => this.#confirm(), this.#patienceMs));
    this.others = {
      take: () => this.#arrived.splice(0),
      onArrival: (listener) => {
        this.#arrivalListeners.add(listener);
        return () => this.#arrivalListeners.delete(listener);
      },
      confirm: () => confirming.run(),
      refusal: () =>
        this.#absence === undefined ? undefined : unavailable(this.#absence.reason, this.#absence.since),
    };
  }

  /** The copy, brought up to what etcd has. Throws `store_unavailable` where there is neither. */
  async open(): Promise<Snapshot<T>> {
    const { place, snapshot } = await this.#options.copy.open();
    this.#present.fill(snapshot);
    this.#head = { ...noHead, revision: snapshot.revision, ...place };
    let from: number | undefined;
    try {
      // A copy that others have gone beyond would have Caddy give up what it serves: a member that is just dying is waited for.
      from = await patiently(() => this.#follower.catchUp(), this.#patienceMs);
    } catch (error) {
      const failure = isGatewrightError(error) && error.cause instanceof EtcdFailure ? error.cause : error;
      if (snapshot.revision === 0 && place === undefined) {
        await this.#options.copy.close();
        throw unavailable(`${messageOf(failure)}; there is no local copy yet to start from`);
      }
      this.#head = { ...this.#head, revision: snapshot.revision };
      this.#note(failure);
    }
    // That it is empty is known from now on, too.
    if (from !== undefined && this.#head.revision === 0) await this.#options.copy.noteEmpty();
    this.#follower.start(from);
    this.#arrived = [];
    this.#isOpen = true;
    return this.#present.snapshot(this.#head.revision);
  }

  commit(batch: Batch<T>): Promise<number> {
    return this.#commits.run(() => this.#commit(batch));
  }

  /** Of the local copy. */
  get revisions(): RevisionLog<T> {
    return this.#options.copy.revisions;
  }

  /** Of the last commit that is known. */
  get revision(): number {
    return this.#head.revision;
  }

  /** Undefined while etcd answers. */
  get absence(): Absence | undefined {
    return this.#absence;
  }

  watch(listener: (change: Change<T>) => void): () => void {
    // A wrapper, so that the same function may watch twice.
    const entry = (change: Change<T>) => listener(change);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async close(): Promise<void> {
    const wasOpen = await this.#commits.run(async () => {
      const isOpen = this.#isOpen;
      this.#isOpen = false;
      return isOpen;
    });
    if (!wasOpen) return;
    await this.#follower.close();
    await this.#options.copy.close();
  }

  async #commit(batch: Batch<T>): Promise<number> {
    if (!this.#isOpen) throw new GatewrightError("store_unavailable", "The store is not open.");
    await checkBatchIds(batch);
    if (batch.expected !== this.#head.revision) throw this.#conflict(batch.expected);
    const refusal = this.others.refusal();
    if (refusal !== undefined) throw refusal;
    const rests = this.#options.restsOn?.(batch) ?? [];
    const prepared = await this.#options.set.prepare(batch, this.#head, rests);
    const { promise: heard, resolve } = Promise.withResolvers<Head>();
    this.#own.set(prepared.id, { batch, told: resolve });
    try {
      const told = heard.then((head): Attempt => ({ kind: "committed", head }));
      const attempt = await Promise.race([told, this.#untilVerdict(prepared)]);
      if (attempt.kind === "committed") {
        await this.#intake.run(() => this.#takeOwn(attempt.head, batch));
        return attempt.head.revision;
      }
    } finally {
      this.#own.delete(prepared.id);
    }
    await patiently(() => this.#follower.catchUp(), this.#patienceMs);
    for (const { confirm } of rests) await confirm?.();
    throw this.#conflict(batch.expected);
  }

  get #patienceMs(): number {
    return this.#options.patienceMs ?? 5000;
  }

  /** Tries until etcd says what became of the commit. */
  async #untilVerdict(prepared: PreparedCommit): Promise<Attempt> {
    let mayBeDone = false;
    try {
      return await patiently(async () => {
        try {
          return await prepared.attempt();
        } catch (error) {
          mayBeDone ||= error instanceof EtcdFailure && !error.isCertain;
          throw error;
        }
      }, this.#patienceMs);
    } catch (error) {
      if (!mayBeDone || !isGatewrightError(error, "store_unavailable")) throw error;
      throw new GatewrightError(
        "store_outcome_unknown",
        `${messageOf(error.cause)}; the change may be stored or not: look before you repeat it`,
        { cause: error.cause },
      );
    }
  }

  async #confirm(): Promise<void> {
    const { id } = await this.#options.set.head();
    if (id !== this.#head.id) await this.#follower.catchUp();
  }

  async #takeOwn(head: Head, { deletes, puts, record }: Batch<T>): Promise<void> {
    // The watch, or a reading of the whole set, may have been first.
    if (head.revision <= this.#head.revision) return;
    this.#head = head;
    this.#present.takeOwn(puts, deletes);
    const copied = this.#options.copy.write({ place: head, puts, deletes, ...(record && { record }) });
    announce(this.#listeners, { revision: head.revision, puts, deletes });
    void this.#options.set.finish().catch(() => undefined);
    await copied;
  }

  /** @param known the last commit that was known when it was read */
  async #takeIn(later: LaterCommits | WholeSet, known: Head): Promise<boolean> {
    if (later.kind === "commits") {
      for (const commit of later.commits) await this.#arrive(commit);
      // Its place in etcd is not known of a commit that was read from the copy.
      if (later.head.revision === this.#head.revision) this.#head = later.head;
      return true;
    }
    const { documents, head } = later;
    await this.#options.before?.(documents);
    // It may be older than what has come meanwhile.
    if (this.#head !== known) return false;
    if (head.revision === 0 && (this.#present.size > 0 || this.#head.revision > 0))
      throw new EtcdFailure("refused", emptied(this.#present.size), { isCertain: true });
    const { deletes, puts } = this.#present.differenceTo(documents);
    const taken = this.#present.take(puts, deletes);
    this.#head = head;
    if (head.revision === 0) return true;
    // What cannot be read here is copied all the same.
    void this.#options.copy.write({ place: head, puts: puts as readonly T[], deletes, skips: true });
    this.#hand({ revision: head.revision, ...taken });
    return true;
  }

  async #arrive({ deletes, head, puts, record }: LoggedCommit): Promise<void> {
    if (head.revision <= this.#head.revision) return;
    if (head.revision !== this.#head.revision + 1) throw ofAnotherPast();
    const own = this.#own.get(head.id);
    if (own !== undefined) {
      own.told(head);
      return this.#takeOwn(head, own.batch);
    }
    await this.#options.before?.(puts);
    this.#head = head;
    const taken = this.#present.take(puts, deletes);
    const known = record === undefined ? {} : { record: record as NonNullable<Batch<T>["record"]> };
    void this.#options.copy.write({ place: head, puts: puts as readonly T[], deletes, ...known });
    this.#hand({ revision: head.revision, ...taken, ...known });
  }

  #hand(commit: OthersCommit<T>): void {
    this.#arrived.push(commit);
    const gone = [...commit.deletes, ...commit.unreadable.map(({ id }) => id)];
    announce(this.#listeners, { revision: commit.revision, puts: commit.puts, deletes: gone });
    for (const listener of this.#arrivalListeners) listener();
  }

  #conflict(expected: number): GatewrightError {
    return new GatewrightError(
      "store_conflict",
      expected === this.#head.revision
        ? "What the commit rests on was changed."
        : `The store is at revision ${this.#head.revision}, not ${expected}.`,
    );
  }

  #note(failure: unknown): void {
    const reason = failure === undefined ? undefined : messageOf(failure);
    const before = this.#absence?.reason;
    this.#absence =
      reason === undefined ? undefined : { since: this.#absence?.since ?? new Date().toISOString(), reason };
    if (reason !== before) this.#options.onConnection?.(reason);
  }
}

function ofAnotherPast(): EtcdFailure {
  return new EtcdFailure("compacted", "etcd has other commits than those that are known here", {
    isCertain: true,
  });
}

function emptied(documents: number): string {
  return `etcd has nothing below ETCD_PREFIX, while ${documents} documents are known here, which are served on; restore a snapshot of etcd, or correct ETCD_ENDPOINTS and ETCD_PREFIX, or stop Gatewright and remove DATA_DIR/etcd to start from scratch`;
}
