import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call } from "./client.ts";
import { live } from "./live.ts";
import type { Ingress } from "./types.ts";

export interface IngressFilter {
  readonly [key: string]: string;
}

export interface IngressPages {
  /** How many fit the filter; undefined before the first answer. */
  readonly total: number | undefined;
  readonly error: ApiError | undefined;
  /** Undefined while it is being asked for. */
  readonly at: (index: number) => Ingress | undefined;
  readonly want: (first: number, last: number) => void;
}

const PAGE = 100;
/** Pages that are kept; those farthest from what is seen go first. */
const KEPT = 40;
/** The answers to a scroll that went by are not asked for. */
const REST_MS = 60;
const BURST_MS = 400;

interface State {
  readonly total?: number;
  readonly error?: ApiError;
  readonly pages: ReadonlyMap<number, readonly Ingress[]>;
}

/** The ingresses that fit a filter, by name, of which the server sends only what is in sight. */
export function useIngressPages(filter: IngressFilter): IngressPages {
  const key = JSON.stringify(filter);
  const [state, setState] = useState<State>({ pages: new Map() });
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
        const query = {
          ...(JSON.parse(key) as IngressFilter),
          sort: "name",
          offset: page * PAGE,
          limit: PAGE,
        };
        const { data, headers } = await call<readonly Ingress[]>("GET", "/ingresses", {
          query,
          signal: stop.signal,
        });
        const total = Number(headers.get("x-total-count") ?? data.length);
        if (!stop.signal.aborted) setState(({ pages }) => ({ total, pages: withPage(pages, page, data) }));
      } catch (error) {
        if (!stop.signal.aborted && error instanceof ApiError) setState((old) => ({ ...old, error }));
      } finally {
        if (asked.current.get(page) === stop) asked.current.delete(page);
      }
    },
    [key],
  );
  const look = useCallback(() => {
    const { first, last } = wanted.current;
    for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(first, last - 1) / PAGE); page++)
      if (!present.current.pages.has(page)) void load(page);
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
  useChanges(
    useCallback(() => {
      const { first, last } = wanted.current;
      for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page++) void load(page);
    }, [load]),
  );
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
  };
}

function withPage(pages: State["pages"], page: number, data: readonly Ingress[]): State["pages"] {
  const next = new Map(pages).set(page, data);
  const far = [...next.keys()].sort((one, other) => Math.abs(other - page) - Math.abs(one - page));
  for (const one of far.slice(0, Math.max(0, next.size - KEPT))) next.delete(one);
  return next;
}

function useChanges(changed: () => void): void {
  useEffect(() => {
    let burst: ReturnType<typeof setTimeout> | undefined;
    const unlisten = live.listen((event) => {
      if (event !== "gap" && !/^ingress\.(created|changed|deleted|batch)$/.test(event.type)) return;
      clearTimeout(burst);
      burst = setTimeout(changed, BURST_MS);
    });
    return () => {
      unlisten();
      clearTimeout(burst);
    };
  }, [changed]);
}
