import type { JSX } from "preact";
import type { StreamState } from "../data/stream.ts";
import { State } from "./status.tsx";

interface FollowingProps {
  readonly state: StreamState;
  /** What comes is not shown for now. */
  readonly isHeld: boolean;
}

/** Whether what comes is shown as it comes. */
export function Following({ state, isHeld }: FollowingProps): JSX.Element {
  if (isHeld) return <State tone="quiet">held</State>;
  if (state.kind === "open") return <State tone="ok">live</State>;
  return <State tone="quiet">{state.kind}</State>;
}
