import type { JSX } from "preact";
import { Store, useStore } from "../data/store.ts";
import { absolute, ago } from "../format.ts";

const TICK_MS = 10_000;
const now = new Store(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), TICK_MS);

/** How long ago, in words; the local date and time on hover. */
export function Time({ at }: { readonly at: string }): JSX.Element {
  const present = useStore(now);
  return (
    <time dateTime={at} title={absolute(at)}>
      {ago(at, Math.max(present, Date.now()))}
    </time>
  );
}
