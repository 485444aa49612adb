import { watch } from "node:fs";
import { type Command, Option } from "commander";
import type { Problem } from "../../errors.ts";
import type { ApplyResult, Plan } from "../../model/api.ts";
import type { ApiCall } from "../client.ts";
import { filesOf, nameOf, type Read, readDocuments } from "../documents.ts";
import { exitCodeOfRefused, exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";
import { counted, pairsOf } from "../words.ts";
import { collect, planText, showPlan, withMessage } from "./shared.ts";

interface SetOptions {
  readonly file: readonly string[];
  readonly prune?: boolean;
  readonly own?: boolean;
  readonly owner?: string;
  readonly selector: readonly string[];
}

interface ApplyOptions extends SetOptions {
  readonly dryRun?: boolean;
  readonly watch?: boolean;
  readonly yes?: boolean;
  readonly message?: string;
}

/** `gatewright apply` and `gatewright plan`. */
export function addApplyCommands(program: Command, io: Io): void {
  withSetOptions(
    program.command("apply").description("Make the ingresses those of files: all of it, or nothing"),
  )
    .option("--dry-run", "show the plan and change nothing")
    .option("--watch", "apply again whenever a file changes")
    .option("-y, --yes", "delete without being asked")
    .option("--message <text>", "why, for the history")
    .action(async (options: ApplyOptions, command: Command) => {
      const session = new Session(io, command);
      if (options.dryRun === true) return showPlanOf(session, await planOf(session, options));
      // Before the first one: what changes while it is applied must not be missed.
      const ending = new AbortController();
      const nextChange = options.watch === true ? watchFiles(options.file, ending.signal) : undefined;
      try {
        await apply(session, options);
        if (nextChange !== undefined) await applyAgain(session, options, nextChange);
      } finally {
        ending.abort();
      }
    });

  withSetOptions(program.command("plan").description("Show what `apply` would do")).action(
    async (options: SetOptions, command: Command) => {
      const session = new Session(io, command);
      await showPlanOf(session, await planOf(session, options));
    },
  );
}

function withSetOptions(command: Command): Command {
  return command
    .requiredOption(
      "-f, --file <path>",
      "file, folder, or - for the standard input; YAML or JSON; may be repeated",
      collect,
    )
    .option(
      "--prune",
      "delete ingresses that the files do not have; all, or those that --selector, --own and --owner select",
    )
    .option(
      "-l, --selector <key=value>",
      "with --prune: only ingresses with this tag; may be repeated",
      collect,
      [],
    )
    .option("--own", "with --prune: only ingresses whose owner the token's subject is")
    .addOption(
      new Option("--owner <subject>", "with --prune: only ingresses of this owner").conflicts("own"),
    );
}

async function showPlanOf(session: Session, plan: Plan): Promise<void> {
  const names = (): string => plan.changes.map(({ id, name }) => `ingress/${name ?? id}`).join("\n");
  if (!plan.accepted && session.options.output === "table") return showPlan(session, plan);
  await session.show(plan, () => planText(plan), names);
  // A script that reads the plan need not look for it.
  if (!plan.accepted) process.exitCode = exitCodeOfRefused(plan);
}

async function planOf(session: Session, options: SetOptions): Promise<Plan> {
  return planFor(session, await readDocuments(options.file, session.io), options);
}

async function planFor(session: Session, documents: readonly Read[], options: SetOptions): Promise<Plan> {
  const plan = await send<Plan>(session, documents, { method: "POST", path: `/plan${pruneQuery(options)}` });
  return plan.problems === undefined ? plan : { ...plan, problems: placed(plan.problems, documents) };
}

/** One document a line, so that sets of any size go. What is refused is told by its file. */
async function send<T>(session: Session, documents: readonly Read[], call: ApiCall): Promise<T> {
  const body = documents.map(({ value }) => JSON.stringify(value)).join("\n");
  try {
    return (await session.api.call<T>({ ...call, body, type: "application/x-ndjson" })).body;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(error.message, error.exitCode, placed(error.details, documents));
  }
}

/** Problems of a set, `ingresses[4].rules`, by the files that they are in: `a.yaml, ingress shop, rules`. */
function placed(problems: readonly Problem[], documents: readonly Read[]): readonly Problem[] {
  return problems.map((problem) => {
    const [, place, field = ""] = /^ingresses\[(\d+)\]\.?(.*)$/.exec(problem.field ?? "") ?? [];
    const document = documents[Number(place)];
    if (document === undefined) return problem;
    const { path, value } = document;
    const name = value instanceof Object && "name" in value ? value.name : undefined;
    const order = documents.filter((one) => one.path === path).indexOf(document) + 1;
    const which = typeof name === "string" ? `ingress ${name}` : `document ${order}`;
    return { ...problem, field: [nameOf(path), which, field].filter((part) => part !== "").join(", ") };
  });
}

async function apply(session: Session, options: ApplyOptions): Promise<void> {
  const documents = await readDocuments(options.file, session.io);
  const headers: { [name: string]: string } = {};
  if (options.prune === true && options.yes !== true) {
    const plan = await planFor(session, documents, options);
    showPlan(session, plan);
    if (plan.deleted > 0) await session.confirm(`Delete ${counted(plan.deleted, "ingress")}?`, false);
    headers["If-Match"] = `"${plan.revision}"`;
  }
  const path = withMessage(`/apply${pruneQuery(options)}`, options.message);
  const result = await send<ApplyResult>(session, documents, { method: "POST", path, headers });
  const { changed, created, deleted, revision, unchanged } = result;
  await session.show(
    result,
    () =>
      `Revision ${revision}: ${created} created, ${changed} changed, ${deleted} deleted, ${unchanged} as they were.`,
    () => result.changes.map(({ id, name }) => `ingress/${name ?? id}`).join("\n"),
  );
}

function pruneQuery({ own, owner, prune, selector }: SetOptions): string {
  const selects = selector.length > 0 || owner !== undefined;
  if (prune !== true) {
    if (!selects && own !== true) return "";
    // Passed over, it would be thought to limit what is applied.
    throw new Failure("--selector, --own and --owner say what --prune deletes: add that", exitCodes.usage);
  }
  const query = new URLSearchParams({ prune: own === true ? "own" : selects ? "selected" : "all" });
  if (owner !== undefined) query.set("owner", owner);
  for (const [key, value] of Object.entries(pairsOf(selector))) query.set(`tags[${key}]`, value);
  return `?${query}`;
}

/** Resolves with the next change of the files, of those too that came before it was asked for. */
type NextChange = () => Promise<void>;

function watchFiles(paths: readonly string[], signal: AbortSignal): NextChange {
  let changed = Promise.withResolvers<void>();
  for (const path of paths.filter((one) => one !== "-"))
    watch(path, { recursive: filesOf(path)[0] !== path, signal }, () => changed.resolve());
  return async () => {
    await changed.promise;
    // An editor writes a file in several steps.
    await new Promise((resolve) => setTimeout(resolve, 100));
    changed = Promise.withResolvers();
  };
}

/** Until the program is ended. What fails is told, and tried again with the next change of a file. */
async function applyAgain(session: Session, options: ApplyOptions, nextChange: NextChange): Promise<never> {
  for (;;) {
    await nextChange();
    try {
      await apply(session, { ...options, yes: true });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      session.warn(error.message);
    }
  }
}
