import type { IngressPath } from "./api.ts";

/** How many headers a rule wants. */
export function headerCount(headers: { readonly [name: string]: string } | undefined): number {
  return headers === undefined ? 0 : Object.keys(headers).length;
}

/** Whether a path takes everything, which is the same as having none. */
export function takesEveryPath(path: IngressPath | undefined): boolean {
  return path === undefined || (path.type === "prefix" && path.value === "/");
}
