import { GatewrightError } from "../errors.ts";
import { Slices } from "../util/slices.ts";
import type { Batch, Document } from "./document-store.ts";

/** An id is a file name: letters, digits, `.`, `_` and `-`, no dot first, at most 200 characters. */
const DOCUMENT_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;

/** Whether a text may be a document's id. */
export function isDocumentId(id: unknown): id is string {
  return typeof id === "string" && DOCUMENT_ID.test(id);
}

/** Whether a value is an object with such an id. */
export function isDocument(value: unknown): value is Document {
  return typeof value === "object" && value !== null && "id" in value && isDocumentId(value.id);
}

/** Throws `internal_error` for a batch that no store can take: an id that is no file name, or one named twice. */
export async function checkBatchIds(batch: Batch<Document>): Promise<void> {
  const seen = new Set<string>();
  const slices = new Slices();
  for (const id of [...batch.puts.map((document) => document.id), ...batch.deletes]) {
    if (!isDocumentId(id))
      throw new GatewrightError("internal_error", `${JSON.stringify(id)} is no document id.`);
    if (seen.has(id)) throw new GatewrightError("internal_error", `The batch names document ${id} twice.`);
    seen.add(id);
    await slices.after(1);
  }
}
