import { setImmediate } from "node:timers/promises";
import { GatewrightError } from "../errors.ts";
import type { Ingress } from "../model/api.ts";
import type { Owner } from "../model/limits.ts";
import type { Revision } from "../store/history/revision.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import { mapInSlices } from "../util/slices.ts";
import { requestOf } from "./ingress-document.ts";
import type { WantedSet } from "./ingress-manager.ts";
import { isOwnChange } from "./own-history.ts";
import type { Writer } from "./writer.ts";

/**
 * What was changed since a revision, as it was then; what was created since goes. Throws `not_found` when a revision on
 * the way is not kept, `bad_request` for one that is still to come, and `Forbidden`
 * where changes of others would be taken back.
 */
export async function rollbackSet(
  to: number,
  {
    store,
    writer,
    own,
  }: {
    readonly store: Pick<IngressStore, "revisions">;
    readonly writer: Pick<Writer, "revision">;
    readonly own?: Owner;
  },
): Promise<WantedSet> {
  if (to > writer.revision)
    throw new GatewrightError(
      "bad_request",
      `there is no revision ${to}: the last one is ${writer.revision}`,
    );
  const before = new Map<string, Ingress | undefined>();
  let reached = writer.revision;
  for await (const revision of store.revisions.newestFirst(reached + 1)) {
    if (revision.revision <= to || revision.revision !== reached) break;
    await remember(revision, before, own);
    reached -= 1;
    if (reached === to) break;
  }
  if (reached > to)
    throw new GatewrightError(
      "not_found",
      `what revision ${reached} changed is not kept: the ingresses can be brought back to revision ${reached} at the most`,
    );
  const gone = new Set([...before].flatMap(([id, ingress]) => (ingress === undefined ? [id] : [])));
  const wanted = [...before.values()].filter((ingress) => ingress !== undefined);
  return {
    ingresses: await mapInSlices(wanted, (ingress) => ({
      id: ingress.id,
      created_at: ingress.created_at,
      ...(ingress.owner === undefined ? {} : { owner: ingress.owner }),
      request: requestOf(ingress),
    })),
    byId: true,
    goes: ({ id }) => gone.has(id),
  };
}

function others(revision: number): GatewrightError {
  return new GatewrightError(
    "Forbidden",
    `revision ${revision} changed ingresses that are not yours: all of that would be taken back; bring your own back by PUT or /apply, GET /revisions has what they were`,
  );
}

/** An older revision overwrites what a newer one says: it was so before both. */
async function remember(
  revision: Revision<Ingress>,
  before: Map<string, Ingress | undefined>,
  own: Owner | undefined,
): Promise<void> {
  for (const part of revision.changes()) {
    for (const change of part) {
      if (own !== undefined && !isOwnChange(change, own)) throw others(revision.revision);
      const { before: earlier, after } = change;
      const id = earlier?.id ?? after?.id;
      if (id !== undefined) before.set(id, earlier);
    }
    // There may be a thousand parts.
    await setImmediate();
  }
}
