import { Store } from "./data/store.ts";

/** Where the page is: `#/ingresses/shop?tab=events`. Paths without `#` are the API's. */
export interface Route {
  /** Decoded segments. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

function present(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const segments = path.split("/").filter((part) => part !== "");
  return { path: segments.map(decoded), query: new URLSearchParams(query) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = new Store<Route>(present());
addEventListener("hashchange", () => route.set(present()));

/** The address of a page. */
export function href(
  path: readonly string[],
  query: { readonly [key: string]: string | undefined } = {},
): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== "") search.set(key, value);
  const text = search.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}

export function go(to: string): void {
  location.hash = to;
}

/** Changes the query in place, without another entry in the browser's history. */
export function setQuery(changes: { readonly [key: string]: string | undefined }): void {
  const { path, query } = route.value;
  const all = { ...Object.fromEntries(query), ...changes };
  history.replaceState(null, "", href(path, all));
  route.set(present());
}
