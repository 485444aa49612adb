import type { JSX } from "preact";
import type { Certificate } from "../data/types.ts";
import { absolute, plural } from "../format.ts";
import { State, type Tone } from "../ui/status.tsx";

const tones: { readonly [state in Certificate["state"]]: Tone } = {
  ready: "ok",
  pending: "warn",
  failed: "bad",
  expired: "bad",
  idle: "quiet",
};

export function CertificateState({
  certificate: { state, expires_soon: endsSoon, error },
}: {
  readonly certificate: Certificate;
}): JSX.Element {
  if (state === "ready" && error !== undefined) return <State tone="warn">not renewed</State>;
  if (state === "ready" && endsSoon === true) return <State tone="warn">ends soon</State>;
  return (
    <State tone={tones[state]} {...(state === "pending" ? { icon: "wait" as const } : {})}>
      {state}
    </State>
  );
}

const DAY_MS = 86_400_000;

/** Days left; the date on hover. */
export function Expiry({
  certificate: { not_after: end },
}: {
  readonly certificate: Certificate;
}): JSX.Element {
  if (end === undefined) return <span>–</span>;
  const days = Math.floor((Date.parse(end) - Date.now()) / DAY_MS);
  const text =
    days < 0
      ? `ended ${plural(-days, "day")} ago`
      : days === 0
        ? "less than a day left"
        : `${plural(days, "day")} left`;
  return (
    <time dateTime={end} title={absolute(end)}>
      {text}
    </time>
  );
}
