import type { IngressPath } from "./api.ts";

/** Why a text is not a path of a rule, with the remedy. */
export interface PathProblem {
  readonly problem: string;
}

/** What Caddy or a reader could take for more than text, also once decoded; a rule has none of them. */
const REFUSED = /[*{}]/;
const CONTROL = /\p{Cc}/u;

/**
 * The one form of a rule's path: decoded, cleaned, and without the trailing slash where it is a prefix.
 * It has no `%`, so that normalising it again changes nothing.
 */
export function normalizePath(path: IngressPath): IngressPath | PathProblem {
  const { type, value } = path;
  if (!value.startsWith("/")) return { problem: "it must start with /" };
  if (REFUSED.test(value))
    return { problem: "leave out *, { and }; a prefix needs no * to take the paths below it" };
  if (/[?#]/.test(value)) return { problem: "leave out ? and #; a path has no query or fragment" };
  const decoded = decode(value);
  if (decoded === undefined)
    return { problem: "it has a % that is not followed by the hex digits of UTF-8 text" };
  if (/[%?#]/.test(decoded) || REFUSED.test(decoded) || CONTROL.test(decoded)) {
    return {
      problem: "encoded *, {, }, %, ?, # and control characters are refused too; match a shorter prefix",
    };
  }
  const clean = cleanPath(decoded);
  return { type, value: type === "prefix" && clean !== "/" ? clean.replace(/\/$/, "") : clean };
}

/** Whether `normalizePath` refused the path. */
export function isPathProblem(result: IngressPath | PathProblem): result is PathProblem {
  return "problem" in result;
}

/**
 * Collapses `//`, then removes `.` and `..`, as the dispatcher does with decoded request paths.
 * A path that ends in `/`, `/.` or `/..` ends in `/` afterwards (RFC 3986 section 5.2.4).
 */
function cleanPath(decoded: string): string {
  const segments: string[] = [];
  for (const segment of decoded.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  if (segments.length === 0) return "/";
  return `/${segments.join("/")}${/\/\.{0,2}$/.test(decoded) ? "/" : ""}`;
}

function decode(text: string): string | undefined {
  if (!text.isWellFormed()) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
