import type { SetAsideIngress } from "../model/api.ts";
import type { Readiness } from "./ingress-manager.ts";
import type { Reconciler } from "./reconciler.ts";

/** What is wrong with the store, beside what Caddy runs. */
interface Store {
  readonly setAside: readonly SetAsideIngress[];
  /** What was found at the start. */
  readonly problems: readonly string[];
}

export function readiness(
  reconciler: Pick<Reconciler, "reasons" | "notices">,
  { problems, setAside }: Store,
): Readiness {
  const failures = reconciler.reasons();
  return {
    ready: failures.length === 0,
    reasons: [...failures, ...reconciler.notices(), ...setAsideReasons(setAside), ...problems],
  };
}

/** The same for a caller with limits: nothing of others' ports and ingresses. */
export function ownReadiness(
  reconciler: Pick<Reconciler, "reasons">,
  setAside: readonly SetAsideIngress[],
): Readiness {
  const ready = reconciler.reasons().length === 0;
  return { ready, reasons: [...(ready ? [] : [NOT_SERVED]), ...setAsideReasons(setAside)] };
}

/** What failures come to, which may be about anybody's ports and ingresses. */
const NOT_SERVED = "not all that is stored is served; who operates this Gatewright sees why";

/** Most that `/ready` names one by one. */
const MAX_REASONS = 100;

function setAsideReasons(entries: readonly SetAsideIngress[]): readonly string[] {
  const reasons = entries.slice(0, MAX_REASONS).map(({ id, name, problems }) => {
    const named = name === undefined ? "" : ` (${name})`;
    return `ingress ${id}${named} is set aside and not served: ${problems[0]?.message}; replace or delete it`;
  });
  const more = entries.length - reasons.length;
  return more === 0 ? reasons : [...reasons, `${more} more ingresses are set aside`];
}
