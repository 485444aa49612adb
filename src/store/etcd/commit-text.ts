import { mapInSlices } from "../../util/slices.ts";
import type { Batch, Document } from "../document-store.ts";
import type { BatchRecord, DocumentChange } from "../history/revision.ts";

/** What a commit did. The documents are as they were stored; nobody has checked them yet. */
export interface CommitContent {
  readonly puts: readonly Document[];
  readonly deletes: readonly string[];
  readonly record?: BatchRecord<Document>;
}

/** The texts of a commit. */
export interface CommitTexts {
  readonly documents: readonly { readonly id: string; readonly text: string }[];
  readonly content: string;
}

/** A content as it is stored. */
export interface WireContent {
  readonly puts: readonly Document[];
  readonly deletes: readonly string[];
  readonly record?: {
    readonly at: string;
    readonly authors: BatchRecord<Document>["authors"];
    readonly changes: readonly (readonly [author: number, id: string, before: Document | null])[];
  };
}

/** Documents after a change stand among the puts, and not a second time in the record. */
export async function encodeContent({
  deletes,
  puts,
  record,
}: Omit<Batch<Document>, "expected">): Promise<CommitTexts> {
  const documents = await mapInSlices(puts, (document) => ({
    id: document.id,
    text: JSON.stringify(document),
  }));
  const told = record === undefined ? "" : `,"record":${await encodeRecord(record)}`;
  const texts = documents.map(({ text }) => text).join();
  return { documents, content: `{"puts":[${texts}],"deletes":${JSON.stringify(deletes)}${told}}` };
}

async function encodeRecord({ at, authors, changes }: BatchRecord<Document>): Promise<string> {
  const told = await mapInSlices(changes, ({ after, author, before }) =>
    JSON.stringify([author, (after ?? before)?.id, before ?? null]),
  );
  return `{"at":${JSON.stringify(at)},"authors":${JSON.stringify(authors)},"changes":[${told.join()}]}`;
}

export function toContent({ deletes, puts, record }: WireContent): CommitContent {
  if (record === undefined) return { puts, deletes };
  const after = new Map(puts.map((document) => [document.id, document]));
  const changes = record.changes.map(([author, changed, before]): DocumentChange<Document> => {
    const put = after.get(changed);
    return {
      author,
      ...(before === null ? {} : { before }),
      ...(put === undefined ? {} : { after: put }),
    };
  });
  return { puts, deletes, record: { ...record, changes } };
}
