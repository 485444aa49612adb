import { type ErrorCode, GatewrightError, type Problem } from "../errors.ts";

/** Codes of single problems; a document that is refused for one of them is a `bad_request`. */
const documentCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "bad_request",
  "required",
  "unknown_key",
  "wrong_type",
  "out_of_range",
  "invalid_value",
  "invalid_hostname",
  "invalid_target",
  "invalid_path",
]);

/** More problems than this are counted, not listed: an answer stays readable and bounded. */
const MAX_PROBLEMS = 200;

/** The problems of a document that is a part of another, with its place there. */
export function placed(field: string, problems: readonly Problem[]): readonly Problem[] {
  return problems.map((problem) => ({
    ...problem,
    field: problem.field === undefined ? field : `${field}.${problem.field}`,
  }));
}

/**
 * One error for all problems of a document, in hypeman's order: semantic ones, name, TLS, instances, claims.
 * Code and message are those of the first, the message with hypeman's `invalid request: ` where its code is
 * `bad_request`; `details` has all, up to a bound.
 */
export function refusal(problems: readonly Problem[]): GatewrightError {
  const [first] = problems;
  if (first === undefined) throw new RangeError("a refusal needs a problem");
  const isBadRequest = documentCodes.has(first.code);
  const message = isBadRequest ? `invalid request: ${first.message}` : first.message;
  const code = isBadRequest ? "bad_request" : first.code;
  const details = problems.slice(0, MAX_PROBLEMS);
  const rest = problems.length - details.length;
  if (rest > 0) details.push({ code, message: `${rest} more problems are not listed: mend these first` });
  return new GatewrightError(code, message, { details });
}
