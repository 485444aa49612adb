import { isGatewrightError, type Problem } from "../errors.ts";
import type { Ingress, SetAsideIngress } from "../model/api.ts";
import { type Attribution, somebody } from "../model/attribution.ts";
import type { OthersCommit } from "../store/document-store.ts";
import type { Track } from "../util/track.ts";
import { claimProblems } from "../validation/ingress.ts";
import type { ApplyStep } from "./apply-step.ts";
import type { Catalog, IngressChange, RowChanges } from "./catalog.ts";
import type { Commit } from "./ingress-events.ts";
import type { Reconciler } from "./reconciler.ts";
import { inConflict, unreadableEntry } from "./set-aside-entries.ts";
import { mergeRows, type StagedSteps, type Staging } from "./staging.ts";

export interface OthersCommitsParts {
  readonly catalog: Catalog;
  readonly staging: Staging;
  readonly reconciler: Pick<Reconciler, "restore">;
  readonly track: Track<ApplyStep>;
  readonly onSetAside?: (entry: SetAsideIngress) => void;
}

/** What was staged of commits, and what was set aside for it. */
interface StagedCommits {
  readonly staged: readonly StagedSteps[];
  readonly entries: readonly SetAsideIngress[];
  readonly told: readonly Commit[];
}

/**
 * What other gateways have committed. It is stored and acknowledged, so that nothing of it can be refused here: what this
 * gateway cannot read or serve is set aside on this gateway alone, and stays in the store as it is.
 */
export class OthersCommits {
  readonly #parts: OthersCommitsParts;

  constructor(parts: OthersCommitsParts) {
    this.#parts = parts;
  }

  /** Has Caddy serve them by `apply`, and commits them to the catalog; returns whose changes they were. Never throws. */
  async serve(
    commits: readonly OthersCommit<Ingress>[],
    apply: (rows: RowChanges) => Promise<void>,
  ): Promise<readonly Commit[]> {
    const { catalog, reconciler, track } = this.#parts;
    const work = await track("stage", () => this.#stage(commits), commits.length);
    let failure: unknown;
    try {
      await track("apply", async () => apply(await mergeRows(work.staged.map(({ rows }) => rows))));
    } catch (error) {
      failure = error;
    }
    if (isGatewrightError(failure, "config_validation_failed")) {
      const [first] = commits;
      if (commits.length > 1 || (first?.puts.length ?? 0) > 1) {
        await this.#undo(work);
        await reconciler.restore();
        return this.#apart(commits, apply);
      }
      await this.#undo(work);
      const refused = await this.#stage(
        commits,
        failure.details[0] ?? { code: failure.code, message: failure.message },
      );
      await track("commit", async () => catalog.commit());
      this.#tell(refused);
      await reconciler.restore();
      return refused.told;
    }
    await track("commit", async () => catalog.commit());
    this.#tell(work);
    // Ports that cannot be bound are left out and tried again, and so is a Caddy that is away.
    if (failure !== undefined) await reconciler.restore();
    return work.told;
  }

  /** One after another, so that the one that Caddy refuses is found; of a commit all that goes goes first. */
  async #apart(
    commits: readonly OthersCommit<Ingress>[],
    apply: (rows: RowChanges) => Promise<void>,
  ): Promise<readonly Commit[]> {
    const told: Commit[] = [];
    for (const commit of commits) {
      const leaving = {
        ...commit,
        puts: [],
        deletes: [...commit.deletes, ...commit.puts.map(({ id }) => id)],
      };
      const parts =
        commit.puts.length > 1 ? [leaving, ...commit.puts.map((put) => only(commit, put))] : [commit];
      for (const part of parts) told.push(...(await this.serve([part], apply)));
    }
    return told;
  }

  /** @param refusal why what is put is set aside whatever it says */
  async #stage(commits: readonly OthersCommit<Ingress>[], refusal?: Problem): Promise<StagedCommits> {
    const { staging } = this.#parts;
    const staged: StagedSteps[] = [];
    const entries: SetAsideIngress[] = [];
    const told: Commit[] = [];
    for (const commit of commits) {
      const steps = await staging.stage(this.#changes(commit, entries, refusal));
      staged.push(steps);
      told.push(...byAuthor(commit, steps.changes));
    }
    return { staged, entries, told };
  }

  async #undo({ entries, staged }: StagedCommits): Promise<void> {
    for (const { id } of entries) this.#parts.catalog.setAside.remove(id);
    for (const { steps } of staged.toReversed()) await this.#parts.staging.unstage(steps);
  }

  #tell({ entries }: StagedCommits): void {
    for (const entry of entries) this.#parts.onSetAside?.(entry);
  }

  /** What changes leaves its place first; then each takes its own. */
  *#changes(
    { deletes, puts, unreadable }: OthersCommit<Ingress>,
    entries: SetAsideIngress[],
    refusal: Problem | undefined,
  ): Generator<IngressChange> {
    const { catalog } = this.#parts;
    const coming = puts.filter((put) => JSON.stringify(catalog.getStaged(put.id)) !== JSON.stringify(put));
    for (const id of [...deletes, ...unreadable.map((one) => one.id), ...coming.map((one) => one.id)])
      yield catalog.stored(id);
    const setAside = (entry: SetAsideIngress): void => {
      catalog.setAside.add(entry);
      entries.push(entry);
    };
    for (const one of unreadable) setAside(unreadableEntry(one));
    for (const after of coming) {
      const problems = refusal === undefined ? this.#problemsOf(after) : [refusal];
      if (problems.length === 0) yield { after };
      else setAside(inConflict(after, problems, refusal === undefined ? "conflict" : "refused"));
    }
  }

  /** What was decided elsewhere fits, unless that gateway's version has other rules than this one. */
  #problemsOf(after: Ingress): readonly Problem[] {
    const { catalog } = this.#parts;
    const holder = catalog.idOfName(after.name);
    const problems = claimProblems(catalog.claims.conflicts(after.rules, after.id, after));
    if (holder === undefined || holder === after.id) return problems;
    const message = `the name "${after.name}" belongs to ingress ${holder}`;
    return [...problems, { code: "already_exists", field: "name", message }];
  }
}

function only(commit: OthersCommit<Ingress>, put: Ingress): OthersCommit<Ingress> {
  return { ...commit, puts: [put], deletes: [], unreadable: [] };
}

/** Changes by whose they were, as the record says. */
function byAuthor({ record }: OthersCommit<Ingress>, changes: readonly IngressChange[]): readonly Commit[] {
  const authors = new Map<string, Attribution>();
  for (const { after, author, before } of record?.changes ?? []) {
    const id = (after ?? before)?.id;
    const by = record?.authors[author];
    if (id !== undefined && by !== undefined) authors.set(id, by);
  }
  const commits = new Map<Attribution, IngressChange[]>();
  for (const change of changes) {
    const id = (change.after ?? change.before ?? change.setAside)?.id ?? "";
    const by = authors.get(id) ?? somebody;
    const known = commits.get(by);
    if (known === undefined) commits.set(by, [change]);
    else known.push(change);
  }
  return [...commits].map(([by, all]) => ({ by, changes: all }));
}
