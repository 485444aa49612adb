import type { Ingress } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import type { Batch } from "../store/document-store.ts";
import type { DocumentChange } from "../store/history/revision.ts";
import { Slices } from "../util/slices.ts";
import { changedId, type IngressChange } from "./catalog.ts";

/** Changes of one author. */
interface AttributedChanges {
  readonly changes: readonly IngressChange[];
  readonly mutation: { readonly by: Attribution };
}

/** What a batch leaves, and what the history keeps of it: what each ingress was before all, and who changed it last. */
export async function documentsOf(
  staged: readonly AttributedChanges[],
): Promise<Omit<Batch<Ingress>, "expected">> {
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
  const puts: Ingress[] = [];
  const deletes: string[] = [];
  const told: DocumentChange<Ingress>[] = [];
  for (const [id, change] of changes) {
    await slices.after(1);
    if (change.after === undefined) deletes.push(id);
    else puts.push(change.after);
    if (change.before !== undefined || change.after !== undefined) told.push(change);
  }
  const authors = staged.map(({ mutation }) => mutation.by);
  return { puts, deletes, record: { at: new Date().toISOString(), authors, changes: told } };
}
