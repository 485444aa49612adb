import { endOf } from "./wire.ts";

/** Digits of a revision in a key, so that keys sort as revisions do. */
const DIGITS = 16;

/**
 * The keys of one set of documents below ETCD_PREFIX (docs/storage.md). A *place* is a key without that prefix: what a
 * sealed value is bound to.
 */
export class SetLayout {
  readonly #prefix: string;
  readonly #set: string;

  /** @param prefix ends in a slash */
  constructor(prefix: string, set: string) {
    this.#prefix = prefix;
    this.#set = `sets/${set}/`;
  }

  /** `{"revision":n,"id":"…"}` of the last commit: each commit compares it. */
  get head(): string {
    return this.#key("head");
  }

  /** Where a large commit's documents are not all in their places yet. */
  get pending(): string {
    return this.#key("pending");
  }

  document(id: string): string {
    return this.#key(`doc/${id}`);
  }

  get documents(): { readonly key: string; readonly end: string } {
    return rangeOf(this.#key("doc/"));
  }

  /** What a commit did. */
  log(revision: number): string {
    return this.#key(`log/${padded(revision)}`);
  }

  get logs(): { readonly key: string; readonly end: string } {
    return rangeOf(this.#key("log/"));
  }

  /** A piece of a large commit. */
  part(revision: number, id: string, index: number): string {
    return this.#key(`part/${padded(revision)}/${id}/${String(index).padStart(6, "0")}`);
  }

  /** All pieces of a large commit, or of an attempt at one. */
  parts(revision: number, id: string): { readonly key: string; readonly end: string } {
    return rangeOf(this.#key(`part/${padded(revision)}/${id}/`));
  }

  /** Logs, and pieces, of revisions below this one. */
  before(revision: number): readonly { readonly key: string; readonly end: string }[] {
    return ["log/", "part/"].map((folder) => ({
      key: this.#key(folder),
      end: this.#key(folder + padded(revision)),
    }));
  }

  placeOf(key: string): string {
    return key.slice(this.#prefix.length);
  }

  /** The id of a document's key. */
  idOf(key: string): string {
    return key.slice(this.documents.key.length);
  }

  /** The revision of a log's key. */
  revisionOf(key: string): number {
    return Number(key.slice(this.logs.key.length));
  }

  #key(rest: string): string {
    return this.#prefix + this.#set + rest;
  }
}

function rangeOf(prefix: string): { readonly key: string; readonly end: string } {
  return { key: prefix, end: endOf(prefix) };
}

function padded(revision: number): string {
  return String(revision).padStart(DIGITS, "0");
}
