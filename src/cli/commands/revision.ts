import { type Command, InvalidArgumentError } from "commander";
import type { ApplyResult, Plan, Revision, RevisionSummary } from "../../model/api.ts";
import type { Io } from "../io.ts";
import { onePage, Session, type Shown } from "../session.ts";
import { ageOf } from "../words.ts";
import { changeLines, showPlan, withMessage } from "./shared.ts";

const shown: Shown<RevisionSummary> = {
  columns: [
    { title: "REVISION", value: ({ revision }) => String(revision) },
    { title: "WHEN", value: ({ at }) => `${ageOf(at)} ago` },
    {
      title: "WHO",
      value: ({ authors }) => [...new Set(authors.map(({ actor }) => actor.subject))].join(", "),
    },
    { title: "WHAT", value: ({ changed, created, deleted }) => `+${created} ~${changed} -${deleted}` },
    { title: "WHICH", value: ({ changes }) => changes.map(({ id, name }) => name ?? id).join(" ") },
    { title: "WHY", value: ({ authors }) => authors.flatMap(({ message }) => message ?? []).join("; ") },
  ],
  name: ({ revision }) => `revision/${revision}`,
  none: "Nothing was changed yet.",
};

/** `gatewright revision`. */
export function addRevisionCommands(program: Command, io: Io): void {
  const revision = program
    .command("revision")
    .alias("revisions")
    .description("What was changed, and the way back");

  revision
    .command("list")
    .alias("ls")
    .description("List what was changed, the newest first")
    .option("--limit <number>", "how many", wholeNumber, 20)
    .action(async ({ limit }: { limit: number }, command: Command) => {
      const session = new Session(io, command);
      const listed = await session.api.get<readonly RevisionSummary[]>(`/revisions?limit=${limit}`);
      await session.list(onePage(listed), shown);
    });

  for (const [verb, does] of [
    ["show", "Show a revision: who, when, why, and what it changed"],
    ["diff", "Show in words what a revision changed"],
  ] as const)
    revision
      .command(`${verb} <revision>`)
      .description(does)
      .action(async (number: string, _: object, command: Command) => {
        const session = new Session(io, command);
        const found = await session.api.get<Revision>(`/revisions/${encodeURIComponent(number)}`);
        await session.show(
          found,
          () => (verb === "diff" ? diffText(found) : showText(found)),
          () => `revision/${number}`,
        );
      });

  revision
    .command("rollback <revision>")
    .description("Make the ingresses what they were at a revision, after showing the plan")
    .option("-y, --yes", "without being asked")
    .option("--dry-run", "show the plan and change nothing")
    .option("--message <text>", "why, for the history")
    .action(async (number: string, options: RollbackOptions, command: Command) =>
      rollBack(new Session(io, command), `/revisions/${encodeURIComponent(number)}/rollback`, options),
    );
}

interface RollbackOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly message?: string;
}

async function rollBack(session: Session, path: string, options: RollbackOptions): Promise<void> {
  const { body: plan } = await session.api.call<Plan>({ method: "POST", path: `${path}?dry_run=true` });
  showPlan(session, plan);
  if (options.dryRun === true) return;
  await session.confirm("Roll back?", options.yes);
  const call = {
    method: "POST",
    path: withMessage(path, options.message),
    headers: { "If-Match": `"${plan.revision}"` },
  };
  const { body } = await session.api.call<ApplyResult>(call);
  await session.show(
    body,
    () => `Rolled back: revision ${body.revision}.`,
    () => `revision/${body.revision}`,
  );
}

function showText(revision: Revision): string {
  const { at, authors } = revision;
  const lines = authors.map(({ actor, message }) => {
    const from = actor.address === undefined ? "" : ` from ${actor.address}`;
    return `${actor.subject}${from}${message === undefined ? "" : `: ${message}`}`;
  });
  return [`Revision ${revision.revision}, ${at}`, ...lines, "", diffText(revision)].join("\n");
}

function diffText(revision: Revision): string {
  return changeLines(revision).join("\n");
}

/** For options that take a number. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError("It must be a whole number above 0.");
  return Number(text);
}
