import type { Request } from "express";
import { GatewrightError } from "../errors.ts";
import { badParameter } from "./query.ts";

/** Longer reasons belong where the reason is discussed. */
const LONGEST = 500;
const HEADER = "X-Change-Message";

/** How the reason of a change is listed among an operation's query keys. */
export const MESSAGE = "message";

/**
 * Why a change is made: `?message=`, else the header X-Change-Message. Undefined when nothing is said. Throws `Bad Request`
 * for what is too long or has control characters.
 */
export function changeMessage(request: Request, query: URLSearchParams): string | undefined {
  const inQuery = query.get(MESSAGE);
  if (inQuery !== null) {
    const problem = problemOf(inQuery);
    if (problem !== undefined) throw badParameter(MESSAGE, problem);
    return inQuery === "" ? undefined : inQuery;
  }
  const given = request.get(HEADER) ?? "";
  // Node reads headers as Latin-1; clients send UTF-8.
  const text = Buffer.from(given, "latin1").toString();
  const problem = problemOf(text);
  if (problem !== undefined)
    throw new GatewrightError("Bad Request", `header ${HEADER} has an error: ${problem}`);
  return text === "" ? undefined : text;
}

function problemOf(text: string): string | undefined {
  if (text.length > LONGEST) return `it must not be longer than ${LONGEST} characters`;
  return /\p{Cc}/u.test(text) ? "it must be one line without control characters" : undefined;
}
