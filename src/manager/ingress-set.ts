import { isDeepStrictEqual } from "node:util";
import { GatewrightError, isGatewrightError, type Problem } from "../errors.ts";
import type { Ingress } from "../model/api.ts";
import { makeId } from "../model/id.ts";
import { isDocumentId } from "../store/document-id.ts";
import { mapInSlices } from "../util/slices.ts";
import { placed, refusal } from "../validation/refusal.ts";
import type { Admission } from "./admission.ts";
import type { Catalog, IngressChange } from "./catalog.ts";
import { ingressOf, timesAfter } from "./ingress-document.ts";
import type { WantedIngress, WantedSet } from "./ingress-manager.ts";
import type { Mutation, WriterState } from "./writer.ts";

interface Examined {
  readonly wanted: WantedIngress;
  readonly field: string;
  readonly newId: string;
  readonly rules: Ingress["rules"];
}

/**
 * Checks each document of a set by itself and against the instances, and returns what makes the set of it. Throws with
 * every problem, each with its place in the set; the mutation throws with those of names and claims.
 */
export async function setMutation(
  set: WantedSet,
  { admission, catalog }: { readonly admission: Admission; readonly catalog: Catalog },
  owner?: string,
): Promise<Pick<Mutation, "decide">> {
  const examinations = await mapInSlices(set.ingresses, async (wanted, index) => {
    const { rules, problems } = await admission.examine(wanted.request);
    return { wanted, rules, field: `ingresses[${index}]`, newId: freshId(wanted.id), problems };
  });
  const examined = await Promise.all(examinations);
  const problems = [
    ...duplicateProblems(set.ingresses),
    ...examined.flatMap((one) => placed(one.field, one.problems)),
  ];
  if (problems.length > 0) throw refusal(problems);
  return { decide: (state) => decide(set, examined, { admission, catalog, state, owner }) };
}

function freshId(id: string | undefined): string {
  return id !== undefined && isDocumentId(id) ? id : makeId();
}

interface Parts {
  readonly admission: Admission;
  readonly catalog: Catalog;
  readonly state: WriterState;
  /** Whose new ones are, that are not said to be another's. */
  readonly owner: string | undefined;
}

/** What has to change leaves its place first; then each takes its own, checked as if they came one after another. */
function* decide(
  set: WantedSet,
  examined: readonly Examined[],
  { admission, catalog, state, owner }: Parts,
): Generator<IngressChange> {
  if (set.revision !== undefined && set.revision !== state.revision) throw changedMeanwhile(state.revision);
  const coming: { readonly field: string; readonly after: Ingress }[] = [];
  const { all, ids } = yield* idsOf(examined, set, catalog);
  for (const [index, one] of examined.entries()) {
    const id = ids[index] as string;
    const stored = catalog.stored(id);
    const after = documentOf(
      one,
      id,
      stored.before ?? stored.setAside?.ingress,
      set.byId === true ? undefined : owner,
    );
    if (stored.before !== undefined && isEqual(stored.before, after)) yield {};
    else {
      coming.push({ field: one.field, after });
      yield stored;
    }
  }
  yield* pruned(set, all, catalog);
  const problems: Problem[] = [];
  for (const { field, after } of coming) {
    try {
      admission.checkClaims(after);
      yield { after };
    } catch (error) {
      if (!isGatewrightError(error)) throw error;
      problems.push(...placed(field, error.details));
    }
  }
  if (problems.length > 0) throw refusal(problems);
}

/** Those that go. The empty changes are pauses: there may be many that stay. */
function* pruned({ goes }: WantedSet, kept: ReadonlySet<string>, catalog: Catalog): Generator<IngressChange> {
  if (goes === undefined) return;
  for (const id of [...catalog.stagedIds()])
    yield !kept.has(id) && goesNow(id, goes, catalog) ? catalog.stored(id) : {};
  for (const setAside of catalog.setAside.list())
    if (!kept.has(setAside.id) && goes(setAside)) yield { setAside };
}

function goesNow(id: string, goes: NonNullable<WantedSet["goes"]>, catalog: Catalog): boolean {
  const ingress = catalog.getStaged(id);
  return ingress !== undefined && goes(ingress);
}

/** Which ingress each document is. An id that somebody has goes before a name: two documents are never one ingress. */
function* idsOf(
  examined: readonly Examined[],
  { byId = false }: WantedSet,
  catalog: Catalog,
): Generator<IngressChange, { readonly ids: readonly string[]; readonly all: ReadonlySet<string> }> {
  const isKnown = ({ newId }: Examined): boolean => {
    const { before, setAside } = catalog.stored(newId);
    return before !== undefined || setAside !== undefined;
  };
  const taken = new Set<string>();
  for (const [index, one] of examined.entries()) {
    if (index % LOOKS === 0) yield {};
    if (isKnown(one)) taken.add(one.newId);
  }
  const ids: string[] = [];
  for (const [index, { newId, wanted }] of examined.entries()) {
    if (index % LOOKS === 0) yield {};
    const isItself = taken.has(newId) || (byId && wanted.id !== undefined);
    const named = isItself ? undefined : catalog.idOfName(wanted.request.name);
    const id = named === undefined || taken.has(named) ? newId : named;
    taken.add(id);
    ids.push(id);
  }
  return { ids, all: taken };
}

/** So many looks cost as much as one change, and an empty change is a pause. */
const LOOKS = 10;

/** Equal to what is there where nothing changes, its time included. */
function documentOf(
  { wanted, rules }: Examined,
  id: string,
  before: Ingress | undefined,
  owner: string | undefined,
): Ingress {
  const { request } = wanted;
  if (before !== undefined) {
    const same = ingressOf(id, request, rules, before.created_at, before.updated_at, before.owner);
    if (isEqual(before, same)) return same;
  }
  const [createdAt, updatedAt] = timesAfter(before);
  return ingressOf(
    id,
    request,
    rules,
    before === undefined ? (wanted.created_at ?? createdAt) : createdAt,
    updatedAt,
    before === undefined ? (wanted.owner ?? owner) : before.owner,
  );
}

/** The order of keys says nothing, and GET answers them in another one than they were sent in. */
function isEqual(one: Ingress, other: Ingress): boolean {
  return JSON.stringify(one) === JSON.stringify(other) || isDeepStrictEqual(one, other);
}

/** One ingress cannot be two things. Names that are taken twice are found by their claims. */
function duplicateProblems(ingresses: readonly WantedIngress[]): Problem[] {
  const first = new Map<string, number>();
  return ingresses.flatMap(({ id }, index) => {
    if (id === undefined) return [];
    const earlier = first.get(id);
    if (earlier === undefined) first.set(id, index);
    const message = `the id ${id} is that of ingresses[${earlier}] too: name each ingress once`;
    return earlier === undefined ? [] : [{ code: "invalid_value", field: `ingresses[${index}].id`, message }];
  });
}

function changedMeanwhile(revision: number | undefined): GatewrightError {
  const present = revision === undefined ? "" : `: they are at revision ${revision}`;
  return new GatewrightError(
    "precondition_failed",
    `the ingresses were changed meanwhile${present}; look at the plan again and repeat the call`,
  );
}
