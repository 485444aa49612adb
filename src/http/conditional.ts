import type { Request } from "express";
import { GatewrightError } from "../errors.ts";

/**
 * One of a list (RFC 9110 sections 5.6.1 and 8.8.3): an optional `W/`, then the opaque tag in quotes, in which a comma is
 * a letter like any other.
 */
const ENTITY_TAG = /[\t ,]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[\t ]*(?=,|$)/gy;
const END_OF_LIST = /^[\t ,]*$/;

interface EntityTag {
  readonly weak: boolean;
  readonly opaque: string;
}

/**
 * The version that a write may replace, from `If-Match` (RFC 9110 section 13.1.1): undefined when any will do.
 * Throws `precondition_failed` when `current` is not among those named, `Bad Request` when the header cannot be read.
 */
export function requiredVersion(request: Request, current: string): string | undefined {
  const header = request.headers["if-match"];
  if (header === undefined || header === "*") return undefined;
  const tags = parseTags("If-Match", header);
  // Strong comparison: a weak tag never matches.
  if (tags.some((tag) => !tag.weak && tag.opaque === current)) return current;
  throw new GatewrightError(
    "precondition_failed",
    "the resource has changed: If-Match does not name its present version",
  );
}

/**
 * The revision of all ingresses that a change is made for, from `If-Match`; without one any will do. Throws `Bad Request`
 * when the header names none.
 */
export function requiredRevision(request: Request): { readonly revision?: number } {
  const header = request.headers["if-match"];
  if (header === undefined || header === "*") return {};
  const [tag, second] = parseTags("If-Match", header);
  if (tag !== undefined && second === undefined && !tag.weak && /^\d{1,15}$/.test(tag.opaque))
    return { revision: Number(tag.opaque) };
  const message =
    'parameter "If-Match" in header has an error: give the number of a revision in quotes, as in "17"';
  throw new GatewrightError("Bad Request", message);
}

/** Whether the caller already has this version, from `If-None-Match` (RFC 9110 section 13.1.2), compared weakly. */
export function hasVersion(request: Request, current: string): boolean {
  const header = request.headers["if-none-match"];
  if (header === undefined) return false;
  if (header === "*") return true;
  return parseTags("If-None-Match", header).some((tag) => tag.opaque === current);
}

function parseTags(name: string, header: string): readonly EntityTag[] {
  const found = [...header.matchAll(ENTITY_TAG)];
  const length = found.reduce((sum, [text]) => sum + text.length, 0);
  if (!END_OF_LIST.test(header.slice(length))) {
    const message = `parameter "${name}" in header has an error: give "*" or quoted entity tags, as the ETag header has them`;
    throw new GatewrightError("Bad Request", message);
  }
  return found.map(([, weak, opaque = ""]) => ({ weak: weak !== undefined, opaque }));
}
