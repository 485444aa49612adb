import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useStore } from "../data/store.ts";
import { Stream, type StreamState } from "../data/stream.ts";
import type { CaddyLogEntry } from "../data/types.ts";
import { route, setQuery } from "../router.ts";
import { Button, Field } from "../ui/controls.tsx";
import { QueryField } from "../ui/filters.tsx";
import { Following } from "../ui/following.tsx";
import { Empty, Failure, Page } from "../ui/page.tsx";
import { State, type Tone } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

/** As many as the API keeps. */
const KEPT = 1_000;
const SHOWN = 300;
/** Entries come in bursts; those of this time are drawn together. */
const BURST_MS = 100;
const levels = ["debug", "info", "warn", "error"] as const;
const tones: { readonly [level in CaddyLogEntry["level"]]: Tone } = {
  debug: "quiet",
  info: "quiet",
  warn: "warn",
  error: "bad",
};

/** What Caddy says, as it says it. */
export function CaddyLogPage(): JSX.Element {
  const { query } = useStore(route);
  const [isHeld, setHeld] = useState(false);
  const least = levels.find((level) => level === query.get("level")) ?? "info";
  const q = (query.get("q") ?? "").toLowerCase();
  const { entries, state } = useCaddyLog(isHeld);
  const fits = (entry: CaddyLogEntry): boolean =>
    levels.indexOf(entry.level) >= levels.indexOf(least) && textOf(entry).toLowerCase().includes(q);
  return (
    <Page
      title="Caddy's log"
      actions={
        <>
          <Following state={state} isHeld={isHeld} />
          <Button pressed={isHeld} onClick={() => setHeld(!isHeld)}>
            Hold
          </Button>
        </>
      }
    >
      <search class="filters">
        <Field label="From level">
          {(props) => (
            <select
              {...props}
              value={least}
              onChange={(event) => setQuery({ level: event.currentTarget.value })}
            >
              {levels.map((level) => (
                <option key={level} value={level}>
                  {level}
                </option>
              ))}
            </select>
          )}
        </Field>
        <QueryField name="q" label="Text" isWide />
      </search>
      {state.kind === "off" && state.error !== undefined ? (
        <Failure error={state.error} />
      ) : entries === undefined ? (
        <p class="loading">Loading…</p>
      ) : (
        <Entries entries={entries.filter(fits).slice(0, SHOWN)} />
      )}
    </Page>
  );
}

/** Those that are kept, and from then on those that come; the newest first. */
function useCaddyLog(isHeld: boolean): {
  /** Undefined before the first answer. */
  readonly entries: readonly CaddyLogEntry[] | undefined;
  readonly state: StreamState;
} {
  const [stream] = useState(() => new Stream<CaddyLogEntry>("/caddy/log", { after: 0 }));
  const [entries, setEntries] = useState<readonly CaddyLogEntry[]>();
  const come = useRef<CaddyLogEntry[]>([]);
  useEffect(() => {
    const unlisten = stream.listen((entry) => {
      if (entry === "gap") return;
      come.current.push(entry);
      // Whoever holds for long has the last ones.
      if (come.current.length >= 2 * KEPT) come.current.splice(0, KEPT);
    });
    stream.start();
    return () => {
      unlisten();
      stream.stop();
    };
  }, [stream]);
  useEffect(() => {
    if (isHeld) return;
    const timer = setInterval(() => {
      if (stream.state.value.kind !== "open") return;
      const fresh = come.current.reverse();
      come.current = [];
      setEntries((old = []) => (fresh.length === 0 ? old : [...fresh, ...old].slice(0, KEPT)));
    }, BURST_MS);
    return () => clearInterval(timer);
  }, [isHeld, stream]);
  return { entries, state: useStore(stream.state) };
}

function textOf({ message, fields }: CaddyLogEntry): string {
  const told = Object.entries(fields).filter(([key]) => key !== "caddy_ts");
  return [
    message,
    ...told.map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`),
  ].join(" ");
}

function Entries({ entries }: { readonly entries: readonly CaddyLogEntry[] }): JSX.Element {
  if (entries.length === 0)
    return (
      <Empty title="Nothing like that was logged since the manager was started.">
        <p>
          What was logged before is in <code>caddy.log</code>, in the data folder.
        </p>
      </Empty>
    );
  return (
    <ol class="feed log">
      {entries.map((entry) => (
        <li key={entry.id}>
          <Time at={entry.time} />
          <span>
            <State tone={tones[entry.level]}>{entry.level}</State> <code>{textOf(entry)}</code>
          </span>
        </li>
      ))}
    </ol>
  );
}
