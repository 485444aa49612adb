import type { JSX } from "preact";
import type { Difference, Plan, PlanEffect } from "../data/types.ts";
import { count, plural } from "../format.ts";
import { Problems } from "./problems.tsx";
import { Notice } from "./status.tsx";

const MOST_SHOWN = 20;
const verbs = { created: "will be created", changed: "will change", deleted: "will be deleted" } as const;

/** What a change would do, in words. */
export function PlanView({ plan }: { readonly plan: Plan }): JSX.Element {
  if (!plan.accepted)
    return (
      <Notice tone="bad" title="This would be refused. Nothing was changed.">
        <Problems problems={plan.problems} />
      </Notice>
    );
  if (plan.changes.length === 0) return <Notice tone="quiet" title="Nothing would change." />;
  return (
    <div class="plan">
      {plan.changes.slice(0, MOST_SHOWN).map(({ id, name, op, differences, traffic }) => (
        <div key={id}>
          <h3>
            {name ?? id} {verbs[op]}
            {traffic !== undefined && (
              <span class="hint">, {plural(traffic.requests, "request")} in the last 15 minutes</span>
            )}
          </h3>
          <Differences of={differences} />
        </div>
      ))}
      {plan.changes.length > MOST_SHOWN && (
        <p class="hint">… and {plural(plan.changes.length - MOST_SHOWN, "ingress", "ingresses")} more.</p>
      )}
      {plan.effect !== undefined && <Effect effect={plan.effect} />}
    </div>
  );
}

export function Differences({ of: differences }: { readonly of: readonly Difference[] }): JSX.Element {
  return (
    <ul class="difference">
      {differences.map(({ field, text }) => (
        <li key={`${field} ${text}`}>{text}</li>
      ))}
    </ul>
  );
}

function Effect({
  effect: { rows, moves, ports, certificates, reload },
}: {
  readonly effect: PlanEffect;
}): JSX.Element {
  const told = [
    [rows.added, "added"],
    [rows.changed, "changed"],
    [rows.removed, "removed"],
  ] as const;
  const parts = told.filter(([number]) => number > 0).map(([number, word]) => `${count(number)} ${word}`);
  return (
    <ul class="hint">
      <li>
        {parts.length === 0
          ? "No rule of the host table changes"
          : `Rules of the host table: ${parts.join(", ")}`}
        {reload ? "; Caddy reloads, and loses no connection." : "; no reload."}
      </li>
      {moves.slice(0, MOST_SHOWN).map(({ from, hostname, path, port, requests, to }) => (
        <li key={`${hostname}:${port}${path?.value ?? ""} ${from.id} ${to?.id ?? ""}`}>
          What {from.name} answers at {hostname}:{port}
          {path?.value} {to === undefined ? "is answered by 404" : `goes to ${to.name}`}
          {requests !== undefined && ` (at most ${plural(requests, "request")} in the last 15 minutes)`}.
        </li>
      ))}
      {moves.length > MOST_SHOWN && (
        <li>… and {count(moves.length - MOST_SHOWN)} more hosts that others would answer.</li>
      )}
      {ports.opened.length > 0 && <li>Opens port {ports.opened.join(", ")}.</li>}
      {ports.closed.length > 0 && <li>Closes port {ports.closed.join(", ")}.</li>}
      {certificates.wanted.length > 0 && (
        <li>Gets certificates for {certificates.wanted.slice(0, 8).join(", ")}.</li>
      )}
      {certificates.released.length > 0 && (
        <li>No longer keeps certificates of {certificates.released.slice(0, 8).join(", ")}.</li>
      )}
    </ul>
  );
}
