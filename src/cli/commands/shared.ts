import { GatewrightError } from "../../errors.ts";
import type { Plan, PlanMove } from "../../model/api.ts";
import { exitCodeOfRefused, exitCodes, Failure } from "../failure.ts";
import type { Session } from "../session.ts";

/** Reads the settings of this machine; what is wrong with them is a matter of usage. */
export function settings<T>(load: () => T): T {
  try {
    return load();
  } catch (error) {
    if (error instanceof GatewrightError) throw new Failure(error.message, exitCodes.usage, error.details);
    throw error;
  }
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** A path with the reason of the change. */
export function withMessage(path: string, message: string | undefined): string {
  return message === undefined
    ? path
    : `${path}${path.includes("?") ? "&" : "?"}message=${encodeURIComponent(message)}`;
}

/** Shows a plan to people. Throws when it would be refused. */
export function showPlan(session: Session, plan: Plan): void {
  if (!plan.accepted)
    throw new Failure("this would be refused; nothing was changed", exitCodeOfRefused(plan), plan.problems);
  session.note(planText(plan));
}

/** What was or would be changed, ingress by ingress. */
export function changeLines({
  changed,
  changes,
  created,
  deleted,
}: Pick<Plan, "changed" | "changes" | "created" | "deleted">): string[] {
  const marks = { created: "+", changed: "~", deleted: "-" } as const;
  const lines = changes.flatMap(({ differences, id, name, op, traffic }) => [
    `${marks[op]} ${name ?? id}${traffic === undefined ? "" : ` (${traffic.requests} requests in the last 15 minutes)`}`,
    ...differences.map(({ text }) => `    ${text}`),
  ]);
  const untold = created + changed + deleted - changes.length;
  if (untold > 0) lines.push(`… and ${untold} more`);
  return lines;
}

/** Moves that are told one by one; the others are in the JSON. */
const MOST_MOVES = 20;

function moveText({ from, hostname, path, port, requests, to }: PlanMove): string {
  const goes = to === undefined ? "is answered by 404" : `goes to ${to.name}`;
  const seen = requests === undefined ? "" : ` (at most ${requests} requests in the last 15 minutes)`;
  return `What ${from.name} answers at ${hostname}:${port}${path?.value ?? ""} ${goes}${seen}.`;
}

/** A plan in words. */
export function planText(plan: Plan): string {
  const { changed, created, deleted, effect, unchanged } = plan;
  const lines = changeLines(plan);
  lines.push(`${created} to create, ${changed} to change, ${deleted} to delete, ${unchanged} as they are.`);
  if (effect === undefined) return lines.join("\n");
  const { certificates, moves, ports, reload } = effect;
  lines.push(...moves.slice(0, MOST_MOVES).map(moveText));
  if (moves.length > MOST_MOVES)
    lines.push(`… and ${moves.length - MOST_MOVES} more hosts that others would answer.`);
  if (ports.opened.length > 0) lines.push(`Ports that open: ${ports.opened.join(", ")}.`);
  if (ports.closed.length > 0) lines.push(`Ports that close: ${ports.closed.join(", ")}.`);
  if (certificates.wanted.length > 0)
    lines.push(`Names that get certificates: ${certificates.wanted.join(", ")}.`);
  if (reload) lines.push("Caddy loads another configuration; connections are kept.");
  return lines.join("\n");
}
