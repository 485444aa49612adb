import { isDeepStrictEqual } from "node:util";
import { NeedsSnapshot, type NeedsView } from "../compiler/config-needs.ts";
import { type CompiledRow, compileRows } from "../compiler/rows.ts";
import type { CompilerSettings } from "../compiler/settings.ts";
import { isGatewrightError } from "../errors.ts";
import type { AppliedChange, Plan, PlanEffect, PlannedChange } from "../model/api.ts";
import { mapInSlices, Slices } from "../util/slices.ts";
import { type Catalog, changedId, type IngressChange } from "./catalog.ts";
import { differencesOf } from "./ingress-difference.ts";
import type { WantedSet } from "./ingress-manager.ts";
import { movesOf } from "./plan-moves.ts";
import type { Rehearsal } from "./staging.ts";

/** Changes that are told one by one; the counts are of all. */
export const MOST_TOLD = 1_000;

/** Remembers what is needed now, and returns what makes a plan of a mutation while it is staged. */
export function planner(
  catalog: Catalog,
  settings: CompilerSettings,
): (rehearsal: Rehearsal) => Promise<Omit<Plan, "revision" | "unchanged">> {
  const before = new NeedsSnapshot(catalog.needs);
  return async ({ changes }) => {
    const told = await mapInSlices(changes.slice(0, MOST_TOLD), plannedChange);
    return {
      accepted: true,
      problems: [],
      ...countsOf(changes),
      changes: told.filter((change) => change !== undefined),
      effect: await effectOf(changes, { catalog, settings, before }),
    };
  };
}

/** How many changes of each kind there are. */
export function countsOf(changes: readonly IngressChange[]): Pick<Plan, "created" | "changed" | "deleted"> {
  const counts = { created: 0, changed: 0, deleted: 0 };
  for (const change of changes) {
    const verb = verbOf(change);
    if (verb !== undefined) counts[verb] += 1;
  }
  return counts;
}

/** What a change does; undefined when it does nothing. */
export function verbOf({ before, setAside, after }: IngressChange): PlannedChange["op"] | undefined {
  const was = before !== undefined || setAside !== undefined;
  if (after === undefined) return was ? "deleted" : undefined;
  return was ? "changed" : "created";
}

function plannedChange(change: IngressChange): PlannedChange | undefined {
  const told = toldChange(change);
  const before = change.before ?? change.setAside?.ingress;
  return (
    told && { ...told, differences: told.op === "deleted" ? [] : [...differencesOf(before, change.after)] }
  );
}

/** What a change does to which ingress; undefined when it does nothing. */
export function toldChange(change: IngressChange): AppliedChange | undefined {
  const op = verbOf(change);
  const id = changedId(change);
  if (op === undefined || id === undefined) return undefined;
  const name = (change.after ?? change.before ?? change.setAside)?.name;
  return { op, id, ...(name === undefined ? {} : { name }) };
}

/** How many ingresses of a set are as they shall be. */
export function unchangedOf({ ingresses }: WantedSet, changes: readonly IngressChange[]): number {
  return ingresses.length - changes.filter(({ after }) => after !== undefined).length;
}

/** Errors that say nothing about what was planned. */
const passing: ReadonlySet<string> = new Set([
  "precondition_failed",
  "source_unavailable",
  "source_read_only",
  "shutting_down",
  "internal_error",
]);

/** The plan of what would be refused. Throws an error that says nothing about it. */
export function refusedPlan(error: unknown, revision: number): Plan {
  if (!isGatewrightError(error) || passing.has(error.code)) throw error;
  const { code, details, message } = error;
  const problems = details.length > 0 ? details : [{ code, message }];
  const none = { created: 0, changed: 0, deleted: 0, unchanged: 0 };
  return { accepted: false, revision, ...none, problems, changes: [] };
}

/** Names are told one by one up to this many. */
const MOST_NAMES = 1_000;

async function effectOf(
  changes: readonly IngressChange[],
  { catalog, settings, before }: { catalog: Catalog; settings: CompilerSettings; before: NeedsView },
): Promise<PlanEffect> {
  const rows = { added: 0, changed: 0, removed: 0 };
  const sets = new Counts();
  const names = new Counts();
  const slices = new Slices();
  for (const change of changes) {
    await slices.after(1);
    const [old, fresh] = [change.before, change.after].map(
      (ingress) =>
        new Map(
          (ingress === undefined ? [] : compileRows(ingress, settings)).map((one) => [one.row.id, one]),
        ),
    ) as [Map<string, CompiledRow>, Map<string, CompiledRow>];
    for (const [id, one] of old) {
      const next = fresh.get(id);
      if (next === undefined) rows.removed += 1;
      else if (!isDeepStrictEqual(one.row, next.row)) rows.changed += 1;
      countUses(one, -1, sets, names);
    }
    for (const [id, one] of fresh) {
      if (!old.has(id)) rows.added += 1;
      countUses(one, 1, sets, names);
    }
  }
  const { needs } = catalog;
  const after = new NeedsSnapshot(needs);
  const certificates = names.turned((name) => needs.usesOfName(name));
  const policySets = sets.turned((key) => needs.usesOfSet(key));
  const [portsBefore, portsAfter] = [before, after].map((view) => view.ports().map(({ port }) => port)) as [
    number[],
    number[],
  ];
  return {
    rows,
    moves: [...(await movesOf(changes, catalog.claims, slices))],
    policy_sets: { added: policySets.come.length, removed: policySets.gone.length },
    ports: {
      opened: portsAfter.filter((port) => !portsBefore.includes(port)),
      closed: portsBefore.filter((port) => !portsAfter.includes(port)),
    },
    certificates: {
      wanted: certificates.come.slice(0, MOST_NAMES),
      released: certificates.gone.slice(0, MOST_NAMES),
    },
    reload:
      !isDeepStrictEqual(before.ports(), after.ports()) ||
      !isDeepStrictEqual(before.tlsNeeds(), after.tlsNeeds()),
  };
}

function countUses(
  { policySet, tlsNeeds = [] }: CompiledRow,
  step: 1 | -1,
  sets: Counts,
  names: Counts,
): void {
  if (policySet !== undefined) sets.add(policySet.key, step);
  for (const need of tlsNeeds) if (need.kind === "managed") names.add(need.subject, step);
}

/** How uses of keys change. */
class Counts {
  readonly #steps = new Map<string, number>();

  add(key: string, step: number): void {
    this.#steps.set(key, (this.#steps.get(key) ?? 0) + step);
  }

  /** The keys that come into use and that are not used any more, sorted; `uses` are those after the change. */
  turned(uses: (key: string) => number): { readonly come: string[]; readonly gone: string[] } {
    const come: string[] = [];
    const gone: string[] = [];
    for (const [key, step] of this.#steps) {
      if (step > 0 && uses(key) === step) come.push(key);
      if (step < 0 && uses(key) === 0) gone.push(key);
    }
    return { come: come.sort(), gone: gone.sort() };
  }
}
