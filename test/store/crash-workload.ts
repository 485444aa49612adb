import type { Attribution } from "../../src/model/attribution.ts";
import type { Batch } from "../../src/store/document-store.ts";
import type { BatchRecord } from "../../src/store/history/revision.ts";
import { type Note, note } from "./document-store.contract.ts";

/** Documents that stand in the folder beforehand and cannot be read; one gets replaced, one deleted, one stays. */
export const spoiltIds = ["spoilt-1", "spoilt-2", "spoilt-3"] as const;
/** What stands in a spoilt document. */
export const spoiltText = '{"id": "spoilt", "host": "kept.example.com"';

/** After these revisions the workload makes a checkpoint. */
export const checkpointAfter: ReadonlySet<number> = new Set([2, 4]);

const author: Attribution = { actor: { subject: "ann", via: "api" } };

/** What the crashing process commits, one batch a revision, each with a record for the history. */
export const workload: readonly Omit<Batch<Note>, "expected">[] = [
  { puts: [note("a"), note("b"), note("c")], deletes: [] },
  { puts: [note("b", "b, second"), note("d")], deletes: ["a"] },
  { puts: [note("spoilt-1"), note("e")], deletes: ["d"] },
  { puts: [note("c", "c, second"), note("a", "a, again")], deletes: ["spoilt-2"] },
  { puts: Array.from({ length: 10 }, (_, index) => note(`many-${index}`)), deletes: ["b"] },
  { puts: [note("a", "a, third")], deletes: ["many-3", "many-4"] },
].map((batch, index) => ({ ...batch, record: recordOf(batch.puts, index) }));

function recordOf(puts: readonly Note[], index: number): BatchRecord<Note> {
  const changes = puts.map((after) => ({ author: 0, after }));
  return { at: new Date(index).toISOString(), authors: [author], changes };
}

/** The documents at a revision of the workload, by ascending id. */
export function documentsAt(revision: number): Note[] {
  const documents = new Map<string, Note>();
  for (const { puts, deletes } of workload.slice(0, revision)) {
    for (const put of puts) documents.set(put.id, put);
    for (const id of deletes) documents.delete(id);
  }
  return [...documents.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The spoilt documents that a revision still reports. */
export function spoiltAt(revision: number): string[] {
  return spoiltIds.filter(
    (id) => !(id === "spoilt-1" && revision >= 3) && !(id === "spoilt-2" && revision >= 4),
  );
}
