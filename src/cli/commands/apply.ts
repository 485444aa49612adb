import { watch } from "node:fs";
import type { Command } from "commander";
import type { ApplyResult, Plan } from "../../model/api.ts";
import { filesOf, readDocuments } from "../documents.ts";
import { Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";
import { pairsOf } from "../words.ts";
import { collect, planText, showPlan, withMessage } from "./shared.ts";

interface SetOptions {
  readonly file: readonly string[];
  readonly prune?: boolean;
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
      await apply(session, options);
      if (options.watch === true) await applyAgain(session, options);
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
      [],
    )
    .option("--prune", "delete ingresses that the files do not have; all, or those that --selector selects")
    .option(
      "-l, --selector <key=value>",
      "with --prune: only ingresses with this tag; may be repeated",
      collect,
      [],
    );
}

async function showPlanOf(session: Session, plan: Plan): Promise<void> {
  const names = (): string => plan.changes.map(({ id, name }) => `ingress/${name ?? id}`).join("\n");
  if (!plan.accepted && session.options.output === "table") return showPlan(session, plan);
  await session.show(plan, () => planText(plan), names);
}

async function planOf(session: Session, options: SetOptions): Promise<Plan> {
  return planFor(session, await textOf(session, options), options);
}

async function planFor(session: Session, body: string, options: SetOptions): Promise<Plan> {
  const call = { method: "POST", path: `/plan${pruneQuery(options)}`, body, type: "application/x-ndjson" };
  return (await session.api.call<Plan>(call)).body;
}

/** One document a line, so that sets of any size go. */
async function textOf(session: Session, { file }: SetOptions): Promise<string> {
  const documents = await readDocuments(file, session.io);
  return documents.map((document) => JSON.stringify(document)).join("\n");
}

async function apply(session: Session, options: ApplyOptions): Promise<void> {
  const body = await textOf(session, options);
  const headers: { [name: string]: string } = {};
  if (options.prune === true && options.yes !== true) {
    const plan = await planFor(session, body, options);
    showPlan(session, plan);
    if (plan.deleted > 0) await session.confirm(`Delete ${plan.deleted} ingresses?`, false);
    headers["If-Match"] = `"${plan.revision}"`;
  }
  const path = withMessage(`/apply${pruneQuery(options)}`, options.message);
  const call = { method: "POST", path, body, type: "application/x-ndjson", headers };
  const { body: result } = await session.api.call<ApplyResult>(call);
  const { changed, created, deleted, revision, unchanged } = result;
  await session.show(
    result,
    () =>
      `Revision ${revision}: ${created} created, ${changed} changed, ${deleted} deleted, ${unchanged} as they were.`,
    () => result.changes.map(({ id, name }) => `ingress/${name ?? id}`).join("\n"),
  );
}

function pruneQuery({ prune, selector }: SetOptions): string {
  if (prune !== true) return "";
  const query = new URLSearchParams({ prune: selector.length === 0 ? "all" : "selected" });
  for (const [key, value] of Object.entries(pairsOf(selector))) query.set(`tags[${key}]`, value);
  return `?${query}`;
}

/** Until the program is ended. What fails is told, and tried again with the next change of a file. */
async function applyAgain(session: Session, options: ApplyOptions): Promise<never> {
  let changed = Promise.withResolvers<void>();
  for (const path of options.file.filter((one) => one !== "-"))
    watch(path, { recursive: filesOf(path)[0] !== path }, () => changed.resolve());
  for (;;) {
    await changed.promise;
    // An editor writes a file in several steps.
    await new Promise((resolve) => setTimeout(resolve, 100));
    changed = Promise.withResolvers();
    try {
      await apply(session, { ...options, yes: true });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      session.warn(error.message);
    }
  }
}
