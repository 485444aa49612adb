import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, unreachableSince } from "./client.ts";
import { live } from "./live.ts";
import type { Event } from "./types.ts";

export interface Resource<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  /** Asks again now. */
  readonly reload: () => void;
}

export interface ResourceOptions {
  /** Which events make it ask again. Default: none. */
  readonly on?: (event: Event) => boolean;
  /** How often it asks by itself, in milliseconds. Default: never. */
  readonly everyMs?: number;
}

/** Events come in bursts; one question answers them all. */
const BURST_MS = 250;

/**
 * What a GET answers, asked again when an event says so, when some were missed, when the API is back, and when the page is
 * seen again. What was there stays while it asks.
 */
export function useResource<T>(
  key: string,
  ask: (signal: AbortSignal) => Promise<T>,
  options: ResourceOptions = {},
): Resource<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: ApiError }>({ key });
  const latest = useRef({ ask, options });
  latest.current = { ask, options };
  const running = useRef<AbortController>(undefined);
  const reload = useCallback(() => {
    running.current?.abort();
    const current = new AbortController();
    running.current = current;
    latest.current.ask(current.signal).then(
      (data) => current.signal.aborted || setState({ key, data }),
      (error: ApiError) =>
        current.signal.aborted ||
        // What was there is better than nothing while the API is away.
        setState((old) =>
          error.code === "unreachable" && old.key === key && old.data !== undefined ? old : { key, error },
        ),
    );
  }, [key]);
  useEffect(() => {
    reload();
    return () => running.current?.abort();
  }, [reload]);
  useRefresh(reload, latest);
  const isCurrent = state.key === key;
  return { data: isCurrent ? state.data : undefined, error: isCurrent ? state.error : undefined, reload };
}

/** Has a question asked again as its options say. */
export function useRefresh(
  reload: () => void,
  latest: { readonly current: { readonly options: ResourceOptions } },
): void {
  const { everyMs } = latest.current.options;
  useEffect(() => {
    let burst: ReturnType<typeof setTimeout> | undefined;
    const unlisten = live.listen((event) => {
      if (event !== "gap" && latest.current.options.on?.(event) !== true) return;
      clearTimeout(burst);
      burst = setTimeout(reload, BURST_MS);
    });
    const unfollow = unreachableSince.follow((since) => since === undefined && reload());
    const timer = everyMs === undefined ? undefined : setInterval(() => document.hidden || reload(), everyMs);
    const seen = (): void => void (document.hidden || everyMs === undefined || reload());
    document.addEventListener("visibilitychange", seen);
    return () => {
      unlisten();
      unfollow();
      clearTimeout(burst);
      clearInterval(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [reload, everyMs, latest]);
}

/** Whether an event is of one of these families: `ingress`, `certificate`. */
export function ofFamily(...families: readonly string[]): (event: Event) => boolean {
  return ({ type }) => families.includes(type.slice(0, type.indexOf(".")));
}
