import { mapInSlices, Slices } from "../util/slices.ts";
import { type Catalog, changedId, type IngressChange, type RowChanges } from "./catalog.ts";

/** What a mutation does. */
export interface Rehearsal {
  /** One for each ingress. */
  readonly changes: readonly IngressChange[];
  readonly rows: RowChanges;
}

/** Changes as they were staged, one after another. */
export interface StagedSteps extends Rehearsal {
  readonly steps: readonly IngressChange[];
}

/** Stages changes on the catalog, and takes them back. What is staged is nobody's to read or to change but the writer's, whose turn it is. */
export class Staging {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Each change is staged before the next is asked for. Takes back what it staged when asking throws. */
  async stage(decided: Iterable<IngressChange>, slices = new Slices()): Promise<StagedSteps> {
    const steps: IngressChange[] = [];
    const rows: RowChanges[] = [];
    try {
      for (const change of decided) {
        const size = Math.max(1, rulesOf(change));
        await slices.after(size);
        rows.push(this.#catalog.stage(change));
        steps.push(change);
        await slices.after(size);
      }
    } catch (error) {
      await this.unstage(steps);
      throw error;
    }
    return { steps, changes: await netChanges(steps), rows: await mergeRows(rows) };
  }

  /** Takes back the last steps; returns what that does to the host table. */
  async unstage(steps: readonly IngressChange[]): Promise<RowChanges> {
    return mergeRows(await mapInSlices([...steps].reverse(), (change) => this.#catalog.unstage(change)));
  }
}

/** How many rules a change is about: what deciding and staging it costs. */
function rulesOf({ before, after }: IngressChange): number {
  return (before?.rules.length ?? 0) + (after?.rules.length ?? 0);
}

/** Several steps as one change for each ingress: what it was at first, and what it is at last. */
async function netChanges(steps: readonly IngressChange[]): Promise<readonly IngressChange[]> {
  const changes = new Map<string, IngressChange>();
  const slices = new Slices();
  for (const step of steps) {
    await slices.after(1);
    const id = changedId(step);
    if (id === undefined) continue;
    const { before, setAside } = changes.get(id) ?? step;
    changes.set(id, {
      ...(before === undefined ? {} : { before }),
      ...(setAside === undefined ? {} : { setAside }),
      ...(step.after === undefined ? {} : { after: step.after }),
    });
  }
  return [...changes.values()];
}

/** Several steps of row changes as one: what a later step does to a row counts. */
export async function mergeRows(steps: readonly RowChanges[]): Promise<RowChanges> {
  if (steps.length === 1 && steps[0] !== undefined) return steps[0];
  const rows = new Map<string, RowChanges["upsert"][number] | undefined>();
  const slices = new Slices();
  for (const { remove, upsert } of steps) {
    await slices.after(1);
    for (const id of remove) rows.set(id, undefined);
    for (const compiled of upsert) rows.set(compiled.row.id, compiled);
  }
  const remove: string[] = [];
  const upsert: RowChanges["upsert"][number][] = [];
  for (const [id, compiled] of rows) {
    if (compiled === undefined) remove.push(id);
    else upsert.push(compiled);
  }
  return { remove, upsert };
}
