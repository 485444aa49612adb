import { randomUUID } from "node:crypto";
import { GatewrightError } from "../../errors.ts";
import type { Batch, Document } from "../document-store.ts";
import type { EtcdClient } from "./client.ts";
import { type CommitContent, encodeContent, toContent, type WireContent } from "./commit-text.ts";
import { EtcdFailure } from "./failure.ts";
import { type Head, nextHead, readHead } from "./head.ts";
import { SetLayout } from "./layout.ts";
import type { Sealer } from "./sealer.ts";
import { inTransactions, MOST_BYTES, MOST_STEPS, sizeOf } from "./transactions.ts";
import type { KeyValue, Operation, RangeQuestion } from "./wire.ts";

export interface DocumentSetOptions {
  readonly client: EtcdClient;
  readonly sealer: Sealer;
  /** Ends in a slash. */
  readonly prefix: string;
  /** Such as `ingresses`. */
  readonly set: string;
  /** How many bytes of the log are kept, about. Default: 32 MiB. */
  readonly logBytes?: number;
}

/** A commit, and the head that it left. */
export interface LoggedCommit extends CommitContent {
  readonly head: Head;
}

/** All documents, at one moment. */
export interface WholeSet {
  readonly kind: "whole";
  readonly head: Head;
  readonly documents: readonly Document[];
  /** etcd's revision to watch from. */
  readonly watchFrom: number;
}

/** What came after a commit. */
export interface LaterCommits {
  readonly kind: "commits";
  readonly head: Head;
  readonly commits: readonly LoggedCommit[];
  /** etcd's revision to watch from. */
  readonly watchFrom: number;
}

/** What a commit rests on beside its own set: that another set has no commit after a revision. */
export interface Rest {
  readonly set: string;
  readonly revision: number;
  /** Makes sure that later commits of that set are known here. Default: whoever decides again does so. */
  readonly confirm?: () => Promise<void>;
}

/** What became of an attempt to commit. */
export type Attempt =
  | { readonly kind: "committed"; readonly head: Head }
  /** Another commit came before, to this set or to one that it rests on; nothing was changed. */
  | { readonly kind: "conflict" };

/** A commit that is ready to be sent, as often as it takes: it is done once at the most. */
export interface PreparedCommit {
  readonly id: string;
  attempt(): Promise<Attempt>;
}

/** What stands in the log: a commit's content, or in how many parts that stands. */
interface LogEntry {
  readonly head: Head;
  readonly content?: WireContent;
  readonly parts?: number;
}

const PART_BYTES = 768 * 1024;
/** Documents, or commits, that are read at once. */
const PAGE = 500;

/**
 * A set of documents in etcd: each has its key, and a log tells what each commit did. Commits have numbers without gaps, in
 * one order for all: each compares the head that it was decided on and moves it, so that a decision holds for the whole
 * set as it then is (decision 13). All methods throw EtcdFailure, and `store_unavailable` for what cannot be decrypted.
 */
export class DocumentSet {
  readonly #client: EtcdClient;
  readonly #sealer: Sealer;
  readonly #logBytes: number;
  readonly #layout: SetLayout;
  readonly #prefix: string;

  constructor({ client, logBytes = 32 * 1024 * 1024, prefix, sealer, set }: DocumentSetOptions) {
    this.#client = client;
    this.#sealer = sealer;
    this.#logBytes = logBytes;
    this.#layout = new SetLayout(prefix, set);
    this.#prefix = prefix;
  }

  /** What came after a commit; the whole set where that cannot be told, or the commit is not of this set's past. */
  async since({ id, revision: known }: Pick<Head, "id" | "revision">): Promise<LaterCommits | WholeSet> {
    const { head, ranges, revision } = await this.#settledHead([
      { kind: "range", key: this.#layout.log(known) },
    ]);
    const same = ranges[0]?.items[0];
    if (known > 0 && (same === undefined || this.#entryOf(same).head.id !== id)) return this.whole();
    const commits: LoggedCommit[] = [];
    const later = { key: this.#layout.log(known + 1), end: this.#layout.logs.end, revision };
    for await (const item of this.#pages(later)) commits.push(await this.#commitOf(item, revision));
    const hasAll = commits.every((commit, index) => commit.head.revision === known + 1 + index);
    if (!hasAll || commits.length !== head.revision - known) return this.whole();
    return { kind: "commits", commits, head, watchFrom: revision + 1 };
  }

  /** All there is, read a page at a time at one of etcd's revisions. */
  async whole(): Promise<WholeSet> {
    const { head, revision } = await this.#settledHead([]);
    const documents: Document[] = [];
    // Written by a Gatewright: the seal vouches for it.
    for await (const item of this.#pages({ ...this.#layout.documents, revision }))
      documents.push(JSON.parse(this.#open(item).toString()) as Document);
    return { kind: "whole", documents, head, watchFrom: revision + 1 };
  }

  /** The last commit, as a quorum has it. */
  async head(): Promise<Head> {
    const { items } = await this.#client.range({ key: this.#layout.head });
    return readHead(items[0]);
  }

  /** Commits from one of etcd's revisions on, as they are made. */
  async *watch(from: number, signal: AbortSignal): AsyncGenerator<LoggedCommit> {
    for await (const { events, revision } of this.#client.watch(this.#layout.logs, from, signal))
      for (const { item, kind } of events) if (kind === "put") yield await this.#commitOf(item, revision);
  }

  /** Makes a commit ready that comes after another, and rests on others. Throws `payload_too_large` for a document that etcd has no room for. */
  async prepare(
    batch: Omit<Batch<Document>, "expected">,
    after: Head,
    rests: readonly Rest[] = [],
  ): Promise<PreparedCommit> {
    const id = randomUUID();
    const { content, documents } = await encodeContent(batch);
    const puts = documents.map((one) => this.#put(this.#layout.document(one.id), one.text));
    for (const [index, put] of puts.entries())
      if (sizeOf(put) > MOST_BYTES) throw tooLarge(batch.puts[index]?.id, sizeOf(put));
    const deletes = batch.deletes.map((one) => ({
      kind: "delete" as const,
      key: this.#layout.document(one),
    }));
    const operations: readonly Operation[] = [...puts, ...deletes];
    const size = operations.reduce((sum, operation) => sum + sizeOf(operation), content.length);
    const { dropped, head } = nextHead(after, { id, bytes: size }, this.#logBytes);
    const common: Operation[] = [
      { kind: "put", key: this.#layout.head, value: JSON.stringify(head) },
      ...(dropped === undefined ? [] : this.#layout.before(dropped)).map((range) => ({
        kind: "delete" as const,
        ...range,
      })),
    ];
    const entry = (rest: string): Operation =>
      this.#put(this.#layout.log(head.revision), `{"head":${JSON.stringify(head)},${rest}}`);
    if (operations.length <= MOST_STEPS && size <= MOST_BYTES)
      return {
        id,
        attempt: () =>
          this.#attempt(after, head, rests, [...common, entry(`"content":${content}`), ...operations]),
      };
    const parts = this.#parts(head, content);
    const pending: Operation = { kind: "put", key: this.#layout.pending, value: String(head.revision) };
    return {
      id,
      attempt: async () => {
        // What comes to nothing goes with the log of its revision.
        for (const part of parts) await this.#client.transact({ compare: [], success: [part] });
        return this.#attempt(after, head, rests, [...common, entry(`"parts":${parts.length}`), pending]);
      },
    };
  }

  /** Puts the documents of a large commit into their places, whoever made it: the next commit waits for that. */
  async finish(): Promise<void> {
    await this.#settledHead([]);
  }

  async #attempt(
    after: Head,
    head: Omit<Head, "modRevision">,
    rests: readonly Rest[],
    success: readonly Operation[],
  ): Promise<Attempt> {
    const { head: headKey, pending } = this.#layout;
    // Numbers have no gaps: a set that has a later commit has the next one.
    const nexts = rests.map(({ revision, set }) => new SetLayout(this.#prefix, set).log(revision + 1));
    for (;;) {
      const { ranges, revision, succeeded } = await this.#client.transact({
        compare: [
          { key: headKey, modRevision: after.modRevision },
          { key: pending, modRevision: 0 },
          ...nexts.map((key) => ({ key, modRevision: 0 })),
        ],
        success,
        failure: [headKey, this.#layout.log(head.revision), ...nexts].map((key) => ({ kind: "range", key })),
      });
      if (succeeded) return { kind: "committed", head: { ...head, modRevision: revision } };
      const [present, logged, ...later] = ranges.map(({ items }) => items[0]);
      // An attempt whose answer was lost was done after all.
      if (logged !== undefined) {
        const entry = this.#entryOf(logged);
        if (entry.head.id === head.id) return { kind: "committed", head: entry.head };
      }
      const isOvertaken = later.some((item) => item !== undefined);
      if (isOvertaken || readHead(present).modRevision !== after.modRevision) return { kind: "conflict" };
      // The head is ours to move, once what came before is whole.
      await this.finish();
    }
  }

  /** The head and what else is asked, at a moment when no large commit is half-way. */
  async #settledHead(questions: readonly Operation[]) {
    const { head, pending } = this.#layout;
    for (;;) {
      const success: Operation[] = [
        { kind: "range", key: head },
        { kind: "range", key: pending },
        ...questions,
      ];
      const { ranges, revision } = await this.#client.transact({ compare: [], success });
      const marker = ranges[1]?.items[0];
      if (marker === undefined)
        return { head: readHead(ranges[0]?.items[0]), ranges: ranges.slice(2), revision };
      await this.#settle(marker, revision);
    }
  }

  async #settle(marker: KeyValue, at: number): Promise<void> {
    const compare = [{ key: marker.key, modRevision: marker.modRevision }];
    const log = this.#layout.log(Number(marker.value.toString()));
    const { items } = await this.#client.range({ key: log, revision: at });
    const [entry] = items;
    if (entry === undefined)
      throw new EtcdFailure("refused", `${marker.key} names a commit that etcd does not have`, {
        isCertain: true,
      });
    const { deletes, puts } = await this.#commitOf(entry, at);
    const operations: readonly Operation[] = [
      ...puts.map((one) => this.#put(this.#layout.document(one.id), JSON.stringify(one))),
      ...deletes.map((id) => ({ kind: "delete" as const, key: this.#layout.document(id) })),
    ];
    for (const success of inTransactions(operations))
      if (!(await this.#client.transact({ compare, success })).succeeded) return;
    await this.#client.transact({ compare, success: [{ kind: "delete", key: marker.key }] });
  }

  async *#pages(range: RangeQuestion & { readonly end: string }): AsyncGenerator<KeyValue> {
    for (let { key } = range; ; ) {
      const { items, more } = await this.#client.range({ ...range, key, limit: PAGE });
      yield* items;
      const last = items.at(-1);
      if (!more || last === undefined) return;
      key = `${last.key}\0`;
    }
  }

  /** @param at one of etcd's revisions at which the commit is there */
  async #commitOf(item: KeyValue, at: number): Promise<LoggedCommit> {
    const { content, head, parts = 0 } = this.#entryOf(item);
    if (content !== undefined) return { ...toContent(content), head };
    const pieces: Buffer[] = [];
    const range = this.#layout.parts(head.revision, head.id);
    for await (const part of this.#pages({ ...range, revision: at })) pieces.push(this.#open(part));
    if (pieces.length !== parts)
      throw new EtcdFailure("compacted", `etcd has ${pieces.length} of ${parts} parts of a commit`, {
        isCertain: true,
      });
    return { ...toContent(JSON.parse(Buffer.concat(pieces).toString()) as WireContent), head };
  }

  #entryOf(item: KeyValue): LogEntry {
    const told = JSON.parse(this.#open(item).toString()) as LogEntry;
    return { ...told, head: { ...told.head, modRevision: item.modRevision } };
  }

  #parts({ id, revision }: Pick<Head, "id" | "revision">, content: string): readonly Operation[] {
    const text = Buffer.from(content);
    const parts: Operation[] = [];
    for (let from = 0; from < text.length; from += PART_BYTES)
      parts.push(
        this.#put(this.#layout.part(revision, id, parts.length), text.subarray(from, from + PART_BYTES)),
      );
    return parts;
  }

  #put(key: string, value: string | Buffer): Operation & { readonly kind: "put" } {
    return { kind: "put", key, value: this.#sealer.seal(this.#layout.placeOf(key), value) };
  }

  #open({ key, value }: KeyValue): Buffer {
    return this.#sealer.open(this.#layout.placeOf(key), value);
  }
}

function tooLarge(id: string | undefined, size: number): GatewrightError {
  return new GatewrightError(
    "payload_too_large",
    `The document ${id} has ${size} bytes, and etcd takes ${MOST_BYTES}; split it.`,
  );
}
