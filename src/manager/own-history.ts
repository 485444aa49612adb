import { setImmediate } from "node:timers/promises";
import { type Attribution, ourselves } from "../model/attribution.ts";
import type { Owner } from "../model/limits.ts";
import type { IngressRevision, RevisedIngress } from "./ingress-manager.ts";
import { isOwn } from "./own-changes.ts";

/** Whether a change is of an ingress that was and is the owner's. */
export function isOwnChange({ after, before }: RevisedIngress, owner: Owner): boolean {
  return [before, after].every((one) => one === undefined || isOwn(one, owner));
}

/**
 * Revisions as they are for an owner: changes of their ingresses, and of others who made such changes who they are. One that
 * has none of them comes with none.
 */
export async function* ownRevisions(
  revisions: AsyncIterable<IngressRevision>,
  owner: Owner,
): AsyncGenerator<IngressRevision> {
  for await (const revision of revisions) yield await ownRevision(revision, owner);
}

async function ownRevision(revision: IngressRevision, owner: Owner): Promise<IngressRevision> {
  const counts = { created: 0, changed: 0, deleted: 0 };
  const authors: number[] = [];
  for (const part of revision.changes()) {
    for (const change of part) {
      if (!isOwnChange(change, owner)) continue;
      counts[change.before === undefined ? "created" : change.after === undefined ? "deleted" : "changed"] +=
        1;
      if (!authors.includes(change.author)) authors.push(change.author);
    }
    // There may be a thousand parts.
    await setImmediate();
  }
  return {
    ...revision,
    ...counts,
    authors: authors.map((index) => shownAuthor(revision.authors[index], owner)),
    changes: function* () {
      for (const part of revision.changes())
        yield part
          .filter((change) => isOwnChange(change, owner))
          .map((change) => ({ ...change, author: authors.indexOf(change.author) }));
    },
  };
}

/** Of others neither where they are nor why they did it, which may be about ingresses of anybody. */
function shownAuthor(author: Attribution = ourselves, { subject }: Owner): Attribution {
  const { actor } = author;
  return actor.subject === subject ? author : { actor: { subject: actor.subject, via: actor.via } };
}
