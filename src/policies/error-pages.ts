import { sortedEntries } from "../caddy-json/literal.ts";
import type { ErrorPages } from "../model/api.ts";
import { quote } from "../model/wording.ts";
import type { Policy } from "./policy.ts";

const PAGE_KEY = /^[45](?:\d\d|xx)$/;

/** Pages of the rule's own, which stand beside the handlers: the dispatcher sends them when these end in an error. */
export const errorPages: Policy<"error_pages"> = {
  key: "error_pages",
  problems(pages, report) {
    for (const status of Object.keys(pages))
      if (!PAGE_KEY.test(status))
        report.refuse(`[${quote(status)}]`, "name a status from 400 to 599, or the classes 4xx and 5xx");
  },
  set(pages) {
    const field = errorPagesField(pages);
    return field === undefined ? {} : { error_pages: field };
  },
};

/** Pages by status (`502`) or class (`5xx`) as the dispatcher takes them; literal. Undefined without any. */
export function errorPagesField(
  pages: ErrorPages | undefined,
): { readonly [status: string]: string } | undefined {
  if (pages === undefined || Object.keys(pages).length === 0) return undefined;
  return Object.fromEntries(sortedEntries(pages));
}
