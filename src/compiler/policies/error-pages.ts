import type { ErrorPages } from "../../model/api.ts";
import { sortedEntries } from "./literal.ts";

/** Pages by status (`502`) or class (`5xx`), for the dispatcher, which sends them; literal. */
export function errorPages(pages: ErrorPages | undefined): { readonly [status: string]: string } | undefined {
  if (pages === undefined || Object.keys(pages).length === 0) return undefined;
  return Object.fromEntries(sortedEntries(pages));
}
