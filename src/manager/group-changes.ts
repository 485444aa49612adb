import type { Ingress } from "../model/api.ts";

/** Changes that are made together: ids of ingresses that go, and ingresses that come or change. */
export interface Group {
  readonly going: readonly string[];
  readonly coming: readonly Ingress[];
}

/**
 * Puts changes together that take the place of each other. `holdersOf` names those that go or change, or may be made to
 * go, and hold what an ingress wants. A change that no other waits for is a group of its own. Pure.
 */
export function groupChanges(
  gone: readonly string[],
  coming: readonly Ingress[],
  holdersOf: (ingress: Ingress) => readonly string[],
): readonly Group[] {
  const leaders = new Map<string, string>();
  const leaderOf = (id: string): string => {
    let leader = id;
    for (let next = leaders.get(leader); next !== undefined; next = leaders.get(leader)) leader = next;
    // Shortens the way for those that ask after this one.
    if (leader !== id) leaders.set(id, leader);
    return leader;
  };
  const tied = new Set<string>();
  for (const ingress of coming) {
    for (const holder of holdersOf(ingress)) {
      tied.add(holder);
      const [one, other] = [leaderOf(ingress.id), leaderOf(holder)];
      if (one !== other) leaders.set(other, one);
    }
  }
  const byId = new Map(coming.map((ingress) => [ingress.id, ingress]));
  const groups = new Map<string, { going: string[]; coming: Ingress[] }>();
  for (const id of new Set([...gone, ...tied, ...byId.keys()])) {
    const leader = leaderOf(id);
    const group = groups.get(leader) ?? { going: [], coming: [] };
    groups.set(leader, group);
    const ingress = byId.get(id);
    if (ingress === undefined) group.going.push(id);
    else group.coming.push(ingress);
  }
  return [...groups.values()];
}
