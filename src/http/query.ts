import type { Request } from "express";
import { GatewrightError } from "../errors.ts";
import type { Tags } from "../model/api.ts";
import { nearest } from "../util/nearest.ts";
import { tagProblems } from "../validation/tags.ts";

/** Tags that a listed resource must carry, each with exactly this value. */
export type TagFilter = ReadonlyMap<string, string>;

/** How the filter by tags is listed among an operation's query keys. */
export const TAGS = "tags[key]";

/**
 * The query of a request. Throws `Bad Request` for keys that the operation does not know, which would answer too much if
 * they were ignored, and for keys that are given twice.
 */
export function queryOf(request: Request, known: readonly string[]): URLSearchParams {
  const start = request.url.indexOf("?");
  const query = new URLSearchParams(start < 0 ? "" : request.url.slice(start + 1));
  const seen = new Set<string>();
  for (const key of query.keys()) {
    if (known.includes(TAGS) && (key === "tags" || key.startsWith("tags["))) continue;
    if (!known.includes(key) || key === TAGS) throw badParameter(key.slice(0, 100), unknownKey(key, known));
    if (seen.has(key)) throw badParameter(key, "it is given twice: give it once");
    seen.add(key);
  }
  return query;
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(
    key.replace(/\[.*/s, "").slice(0, 100),
    known.map((one) => one.replace(/\[.*/, "")),
  );
  if (meant === undefined) return "it is unknown: this call takes none";
  return `it is unknown: the nearest known key is ${JSON.stringify(meant === "tags" ? TAGS : meant)}`;
}

/**
 * Reads `?tags[team]=web&tags[env]=prod` (OpenAPI's deepObject). Throws `Bad Request` for any other form of `tags`, and
 * for what no tag can be: a filter that were ignored would answer too much, one that fits nothing too little.
 */
export function tagFilter(query: URLSearchParams): TagFilter {
  const filter = new Map<string, string>();
  for (const [key, value] of query) {
    if (key !== "tags" && !key.startsWith("tags[")) continue;
    const tag = /^tags\[([^[\]]+)\]$/.exec(key)?.[1];
    if (tag === undefined) throw badParameter("tags", `write it as ${TAGS}=value`);
    const [problem] = tagProblems({ [tag]: value });
    if (problem !== undefined) throw badParameter("tags", problem.message);
    if (filter.has(tag) && filter.get(tag) !== value)
      throw badParameter("tags", "a tag has one value: name each once");
    filter.set(tag, value);
  }
  return filter;
}

/** Whether tags satisfy a filter; no tags satisfy the empty one only. */
export function matchesTags(tags: Tags | undefined, filter: TagFilter): boolean {
  for (const [key, value] of filter) {
    if (tags === undefined || !Object.hasOwn(tags, key) || tags[key] !== value) return false;
  }
  return true;
}

/** Whether one text contains `?q=`, without case; undefined without `q`: then every resource fits. */
export function containsFilter(query: URLSearchParams): ((text: string | undefined) => boolean) | undefined {
  const wanted = query.get("q")?.toLowerCase() ?? "";
  if (wanted === "") return undefined;
  return (text) => text?.toLowerCase().includes(wanted) === true;
}

/** A whole number between the limits; undefined when the parameter is absent. Throws `Bad Request`. */
export function integerParameter(
  query: URLSearchParams,
  name: string,
  limits: { readonly min: number; readonly max: number },
): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw badParameter(name, "value must be an integer");
  const value = Number(text);
  if (value < limits.min) throw badParameter(name, `number must be at least ${limits.min}`);
  if (value > limits.max) throw badParameter(name, `number must be at most ${limits.max}`);
  return value;
}

/** One of the values given; undefined when the parameter is absent. Throws `Bad Request`. */
export function enumParameter<T extends string>(
  query: URLSearchParams,
  name: string,
  values: readonly T[],
): T | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const found = values.find((value) => value === text);
  if (found === undefined)
    throw badParameter(name, `value is not one of the allowed values ${JSON.stringify(values)}`);
  return found;
}

/** An error in a parameter of the query. */
export function badParameter(name: string, reason: string): GatewrightError {
  return new GatewrightError(
    "Bad Request",
    `parameter ${JSON.stringify(name)} in query has an error: ${reason}`,
  );
}
