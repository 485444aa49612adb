import type { Response } from "express";
import { integerParameter } from "./query.ts";

/** Largest page that can be asked for. */
export const MAX_PAGE_SIZE = 10_000;
/** Furthest place at which a page can begin. */
const MAX_OFFSET = 10_000_000;

/** Keys of the query of a list whose pages begin anywhere. */
export const PAGE_KEYS = ["limit", "offset"] as const;

/** A part of a list. */
export interface Page {
  readonly offset: number;
  readonly limit: number;
}

/** The page that is asked for; undefined for the whole list. Throws `Bad Request`. */
export function pageIn(query: URLSearchParams): Page | undefined {
  const offset = integerParameter(query, "offset", { min: 0, max: MAX_OFFSET });
  const limit = integerParameter(query, "limit", { min: 1, max: MAX_PAGE_SIZE });
  if (offset === undefined && limit === undefined) return undefined;
  return { offset: offset ?? 0, limit: limit ?? MAX_PAGE_SIZE };
}

/** That page of those selected; tells in `X-Total-Count` how many there are. */
export async function pageAt<Item>(
  response: Response,
  selected: AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>,
  { limit, offset }: Page,
): Promise<readonly Item[]> {
  const page: Item[] = [];
  let total = 0;
  for await (const batch of selected) {
    const first = Math.max(0, offset - total);
    page.push(...batch.slice(first, Math.max(first, offset + limit - total)));
    total += batch.length;
  }
  response.setHeader("X-Total-Count", total);
  return page;
}

/** That page of a list that is in memory. */
export function pageOf<Item>(
  response: Response,
  all: readonly Item[],
  page: Page | undefined,
): readonly Item[] {
  if (page === undefined) return all;
  response.setHeader("X-Total-Count", all.length);
  return all.slice(page.offset, page.offset + page.limit);
}
