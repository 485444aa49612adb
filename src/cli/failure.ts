import type { Problem } from "../errors.ts";
import { errorStatus } from "../http/error-status.ts";
import type { Plan } from "../model/api.ts";

/** What the program ends with. docs/cli.md lists them. */
export const exitCodes = {
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unavailable: 5,
  denied: 6,
} as const;

/** Ends the program with a message for people. */
export class Failure extends Error {
  readonly exitCode: number;
  readonly details: readonly Problem[];

  constructor(message: string, exitCode: number, details: readonly Problem[] = []) {
    super(message);
    this.name = "Failure";
    this.exitCode = exitCode;
    this.details = details;
  }
}

/** The exit code of an answer's status. */
export function exitCodeOf(status: number): number {
  if (status === 400 || status === 413) return exitCodes.usage;
  if (status === 401 || status === 403) return exitCodes.denied;
  if (status === 404) return exitCodes.notFound;
  if (status === 409 || status === 412) return exitCodes.conflict;
  // Too many wrong tokens of this address: a right one is not looked at either, for a while.
  return status >= 500 || status === 429 ? exitCodes.unavailable : exitCodes.failed;
}

/** The exit code of a change that a plan tells would be refused: that of the refusal, whose first problem decides. */
export function exitCodeOfRefused({ problems: [first] = [] }: Pick<Plan, "problems">): number {
  return first === undefined ? exitCodes.conflict : exitCodeOf(errorStatus[first.code]);
}
