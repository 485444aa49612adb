import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../data/client.ts";
import type { Plan, Problem } from "../data/types.ts";
import type { Draft } from "./draft.ts";

export interface Planned {
  readonly plan: Plan | undefined;
  readonly error: ApiError | undefined;
  /** The plan is not that of the draft yet. */
  readonly isPlanning: boolean;
  readonly again: () => void;
}

const TYPING_MS = 350;

/** What a draft would do, asked for whenever it rests: the API is the one that judges. */
export function usePlan(
  draft: Draft,
  id: string | undefined,
  isWanted: boolean,
  version: string | undefined,
): Planned {
  const [state, setState] = useState<{
    readonly of?: Draft;
    readonly version?: string | undefined;
    readonly plan?: Plan;
    readonly error?: ApiError;
  }>({});
  const [turn, setTurn] = useState(0);
  // another version, or another turn, is another plan
  useEffect(() => {
    if (!isWanted) return;
    const stop = new AbortController();
    const body = id === undefined ? { create: draft } : { replace: { id, ingress: draft } };
    const timer = setTimeout(() => {
      call<Plan>("POST", "/plan", { body, signal: stop.signal }).then(
        ({ data }) =>
          setState({
            of: draft,
            version,
            plan: withoutPrefix(data, id === undefined ? "create." : "replace.ingress."),
          }),
        (error: unknown) => {
          if (stop.signal.aborted || !(error instanceof ApiError)) return;
          // What does not fit the schema is refused before it is planned: to whoever writes, it is the same.
          const plan =
            error.status === 400 && error.details.length > 0
              ? refused(error, id === undefined ? "create." : "replace.ingress.")
              : undefined;
          setState(plan === undefined ? { of: draft, version, error } : { of: draft, version, plan });
        },
      );
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [draft, id, isWanted, version, turn]);
  const again = useCallback(() => setTurn((old) => old + 1), []);
  // A plan against another version does not show what of it would be taken back.
  const isPlanning = isWanted && (state.of !== draft || state.version !== version);
  return { plan: state.plan, error: state.error, isPlanning, again };
}

function refused({ details }: ApiError, prefix: string): Plan {
  const plan: Plan = {
    accepted: false,
    revision: 0,
    created: 0,
    changed: 0,
    deleted: 0,
    unchanged: 0,
    problems: details,
    changes: [],
  };
  return withoutPrefix(plan, prefix);
}

/** Problems name fields of the call; the draft is a part of it. */
function withoutPrefix(plan: Plan, prefix: string): Plan {
  const told = ({ field, ...problem }: Problem): Problem =>
    field === undefined
      ? problem
      : { ...problem, field: field.startsWith(prefix) ? field.slice(prefix.length) : field };
  return { ...plan, problems: plan.problems.map(told) };
}
