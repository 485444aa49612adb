import type { Request } from "express";
import { GatewrightError } from "../errors.ts";
import type { Tags } from "../model/api.ts";

/** Tags that a listed resource must carry, each with exactly this value. */
export type TagFilter = ReadonlyMap<string, string>;

/** The query of a request. Keys that the API does not know are ignored, as hypeman does. */
export function queryOf(request: Request): URLSearchParams {
  const start = request.url.indexOf("?");
  return new URLSearchParams(start < 0 ? "" : request.url.slice(start + 1));
}

/**
 * Reads `?tags[team]=web&tags[env]=prod` (OpenAPI's deepObject). Throws `Bad Request` for any other form of `tags`:
 * a filter that were ignored would answer too much.
 */
export function tagFilter(query: URLSearchParams): TagFilter {
  const filter = new Map<string, string>();
  for (const [key, value] of query) {
    if (key !== "tags" && !key.startsWith("tags[")) continue;
    const tag = /^tags\[([^[\]]+)\]$/.exec(key)?.[1];
    if (tag === undefined) throw badParameter("tags", "write it as tags[key]=value");
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

function badParameter(name: string, reason: string): GatewrightError {
  return new GatewrightError(
    "Bad Request",
    `parameter ${JSON.stringify(name)} in query has an error: ${reason}`,
  );
}
