import type { Attribution } from "../model/attribution.ts";
import type { Document } from "../store/document-store.ts";

/** The kinds of documents in an archive, in the order in which they are imported: what others name comes first. */
export const kindNames = ["certificate", "token", "instance", "traffic", "ingress"] as const;

export type KindName = (typeof kindNames)[number];

/** How many documents there are of each kind. */
export type KindCounts = { readonly [name in KindName]: number };

/** One kind of documents, and where they are kept. */
export interface ArchiveKind<T extends Document = Document> {
  readonly name: KindName;
  /** What is stored, as it is when the iteration begins. */
  list(): Iterable<T>;
  /** Checks a document. Throws a plain Error that says what is wrong and tells no secret. */
  read(value: unknown): T;
  /**
   * Stores documents as they are. Resolves when they are durable and have taken effect; rejects when one of them is refused,
   * where others may be stored.
   */
  put(documents: readonly T[], by: Attribution): Promise<void>;
  /** Removes documents. One that is not there is fine. */
  remove(ids: readonly string[], by: Attribution): Promise<void>;
}

/** The plural of a kind, for people. */
const kindWords: { readonly [name in KindName]: readonly [one: string, several: string] } = {
  certificate: ["imported certificate", "imported certificates"],
  token: ["token", "tokens"],
  instance: ["instance", "instances"],
  traffic: ["drained or paused instance", "drained or paused instances"],
  ingress: ["ingress", "ingresses"],
};

/** `3 ingresses`. */
export function countedKind(name: KindName, count: number): string {
  const [one, several] = kindWords[name];
  return `${count} ${count === 1 ? one : several}`;
}
