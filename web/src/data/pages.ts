import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call } from "./client.ts";
import { type ResourceOptions, useRefresh } from "./resource.ts";

export interface Filter {
  readonly [key: string]: string;
}

/** A list of any length, of which only what is in sight is here. */
export interface Pages<Item> {
  /** How many fit the filter; undefined before the first answer. */
  readonly total: number | undefined;
  readonly error: ApiError | undefined;
  /** Undefined while it is being asked for. */
  readonly at: (index: number) => Item | undefined;
  /** Says which are in sight. */
  readonly want: (first: number, last: number) => void;
  /** Asks again now. */
  readonly reload: () => void;
}

const PAGE = 100;
/** Pages that are kept; those farthest from what is seen go first. */
const KEPT = 40;
/** The answers to a scroll that went by are not asked for. */
const REST_MS = 60;

interface State<Item> {
  readonly total?: number;
  readonly error?: ApiError;
  readonly pages: ReadonlyMap<number, readonly Item[]>;
}

/** What a path lists for a filter, asked again as `useResource` does. */
export function usePages<Item>(path: string, filter: Filter, options: ResourceOptions = {}): Pages<Item> {
  const key = JSON.stringify(filter);
  const [state, setState] = useState<State<Item>>({ pages: new Map() });
  const asked = useRef(new Map<number, AbortController>());
  const wanted = useRef({ first: 0, last: PAGE });
  const present = useRef(state);
  present.current = state;
  const load = useCallback(
    async (page: number) => {
      if (asked.current.has(page)) return;
      const stop = new AbortController();
      asked.current.set(page, stop);
      try {
        const query = { ...(JSON.parse(key) as Filter), offset: page * PAGE, limit: PAGE };
        const { data, headers } = await call<readonly Item[]>("GET", path, { query, signal: stop.signal });
        const total = Number(headers.get("x-total-count") ?? data.length);
        if (!stop.signal.aborted) setState(({ pages }) => ({ total, pages: withPage(pages, page, data) }));
      } catch (error) {
        if (!stop.signal.aborted && error instanceof ApiError)
          // What was there is better than nothing while the API is away.
          setState((old) => (error.code === "unreachable" && old.pages.size > 0 ? old : { ...old, error }));
      } finally {
        if (asked.current.get(page) === stop) asked.current.delete(page);
      }
    },
    [path, key],
  );
  const look = useCallback(() => {
    for (const page of pagesOf(wanted.current)) if (!present.current.pages.has(page)) void load(page);
  }, [load]);
  const reload = useCallback(() => {
    const seen = new Set(pagesOf(wanted.current));
    // What is out of sight may have moved: it is asked for when it is seen again.
    setState((old) => ({ ...old, pages: new Map([...old.pages].filter(([page]) => seen.has(page))) }));
    for (const page of seen) {
      asked.current.get(page)?.abort();
      asked.current.delete(page);
      void load(page);
    }
  }, [load]);
  useEffect(() => {
    for (const stop of asked.current.values()) stop.abort();
    asked.current.clear();
    // What was there stays until the answer is there: nothing flickers while somebody types.
    const page = Math.floor(wanted.current.first / PAGE);
    setState(({ total }) => ({ pages: new Map(), ...(total === undefined ? {} : { total }) }));
    void load(0);
    if (page > 0) void load(page);
  }, [load]);
  const latest = useRef({ options });
  latest.current = { options };
  useRefresh(reload, latest);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const want = useCallback(
    (first: number, last: number) => {
      wanted.current = { first, last };
      clearTimeout(timer.current);
      timer.current = setTimeout(look, REST_MS);
    },
    [look],
  );
  return {
    total: state.total,
    error: state.error,
    at: (index) => state.pages.get(Math.floor(index / PAGE))?.[index % PAGE],
    want,
    reload,
  };
}

/** Those with the rows that are in sight. */
function pagesOf({ first, last }: { readonly first: number; readonly last: number }): readonly number[] {
  const from = Math.floor(first / PAGE);
  const to = Math.floor(Math.max(first, last - 1) / PAGE);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function withPage<Item>(
  pages: State<Item>["pages"],
  page: number,
  data: readonly Item[],
): State<Item>["pages"] {
  const next = new Map(pages).set(page, data);
  const far = [...next.keys()].sort((one, other) => Math.abs(other - page) - Math.abs(one - page));
  for (const one of far.slice(0, Math.max(0, next.size - KEPT))) next.delete(one);
  return next;
}
