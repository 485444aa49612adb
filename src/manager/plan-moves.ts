import { isDeepStrictEqual } from "node:util";
import type { Ingress, IngressRule, PlanMove } from "../model/api.ts";
import type { Claimant } from "../model/claims/bucket.ts";
import { ClaimIndex } from "../model/claims/claim-index.ts";
import type { Slices } from "../util/slices.ts";
import { changedId, type IngressChange } from "./catalog.ts";

/** Told one by one up to this many. */
const MOST_MOVES = 1_000;

/**
 * Hosts whose requests another ingress would answer than the one that does, or nobody: those of rules that go, and those that
 * rules which come take from others.
 *
 * @param claims of all ingresses, with the changes staged
 */
export async function movesOf(
  changes: readonly IngressChange[],
  claims: ClaimIndex,
  slices: Slices,
): Promise<readonly PlanMove[]> {
  const changed = new Set(changes.flatMap((change) => changedId(change) ?? []));
  const former = new ClaimIndex();
  for (const { before } of changes) {
    await slices.after(1);
    if (before !== undefined) former.add(before);
  }
  const moves = new Map<string, PlanMove>();
  const note = ({ match }: IngressRule, from: Claimant, to: Claimant | undefined): void => {
    if (from.id === to?.id) return;
    const { hostname, path, port } = match;
    const move = { hostname, port, ...(path && { path }), from: named(from), ...(to && { to: named(to) }) };
    moves.set(JSON.stringify(move), move);
  };
  for (const { after, before } of changes) {
    await slices.after(1);
    if (before !== undefined)
      for (const rule of rulesLeft(before, after)) {
        const next = claims.next(rule, before);
        for (const to of next.claims) note(rule, before, to);
        if (!next.isWhole) note(rule, before, undefined);
      }
    if (after !== undefined) {
      const { gateways, listen } = after;
      const answering = { except: changed, ...(gateways && { gateways }), ...(listen && { listen }) };
      for (const rule of rulesLeft(after, before))
        for (const from of claims.next(rule, answering, former).claims) note(rule, from, after);
    }
    if (moves.size >= MOST_MOVES) break;
  }
  return [...moves.values()].slice(0, MOST_MOVES);
}

/** The rules of an ingress that another form of it has not, whatever becomes of their requests. */
function rulesLeft(one: Ingress, other: Ingress | undefined): readonly IngressRule[] {
  const isElsewhere = !isDeepStrictEqual([one.gateways, one.listen], [other?.gateways, other?.listen]);
  const places = new Set(isElsewhere ? [] : other?.rules.map(placeOf));
  return one.rules.filter((rule) => !places.has(placeOf(rule)));
}

function placeOf({ match: { headers = {}, hostname, methods = [], path, port } }: IngressRule): string {
  return JSON.stringify([hostname, port, path, [...methods].sort(), Object.entries(headers).sort()]);
}

function named({ id, name }: Claimant): PlanMove["from"] {
  return { id, name };
}
