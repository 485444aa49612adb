import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, segment } from "../data/client.ts";
import type { IngressTarget, TrafficMode } from "../data/types.ts";
import { announce } from "../ui/announce.tsx";
import { Button } from "../ui/controls.tsx";
import type { Versioned } from "./ingress.tsx";

const told = {
  active: "takes requests again",
  drain: "is drained: it takes no new requests",
  pause: "is paused: requests wait",
} as const;
const modeWords = { active: "Resume", drain: "Drain", pause: "Pause" } as const;

/** Buttons for the other modes of a target; `onMode` rejects with what is shown below them. */
export function Modes({
  name,
  mode,
  onMode,
}: {
  readonly name: string;
  readonly mode: TrafficMode;
  readonly onMode: (mode: TrafficMode) => Promise<void>;
}): JSX.Element {
  const [error, setError] = useState<ApiError>();
  const others = (["active", "drain", "pause"] as const).filter((one) => one !== mode);
  const set = (wanted: TrafficMode): void =>
    void onMode(wanted).then(
      () => {
        setError(undefined);
        announce(`${name} ${told[wanted]}.`);
      },
      (thrown: unknown) => thrown instanceof ApiError && setError(thrown),
    );
  return (
    <>
      <span class="modes">
        {others.map((one) => (
          <Button
            key={one}
            kind="plain"
            scope="ingress:write"
            label={`${modeWords[one]} ${name}`}
            onClick={() => set(one)}
          >
            {modeWords[one]}
          </Button>
        ))}
      </span>
      {error && <p class="field-error">{error.message}</p>}
    </>
  );
}

/** Changes how a target of one rule takes requests, for the version that is shown. */
export async function setMode(
  { ingress, etag }: Versioned,
  index: number,
  place: number,
  mode: TrafficMode,
): Promise<void> {
  const withMode = (target: IngressTarget): IngressTarget => {
    const { mode: _, ...rest } = target;
    return mode === "active" ? rest : { ...rest, mode };
  };
  const rules = ingress.rules.map((rule, at) => {
    if (at !== index) return rule;
    if (rule.targets === undefined)
      return rule.target === undefined ? rule : { ...rule, target: withMode(rule.target) };
    return {
      ...rule,
      targets: rule.targets.map((target, one) => (one === place ? withMode(target) : target)),
    };
  });
  await call("PATCH", `/ingresses/${segment(ingress.id)}`, {
    body: { rules },
    contentType: "application/merge-patch+json",
    ifMatch: etag,
  });
}
