import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get } from "../data/client.ts";
import { useResource } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { CaddyLogEntry } from "../data/types.ts";
import { route, setQuery } from "../router.ts";
import { Button, Field, TextField } from "../ui/controls.tsx";
import { Empty, Loaded, Page } from "../ui/page.tsx";
import { State, type Tone } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

const ASKED_EVERY_MS = 2_000;
const SHOWN = 300;
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
  const log = useResource(
    `caddy log ${isHeld}`,
    (signal) => get<readonly CaddyLogEntry[]>("/caddy/log", { limit: 1_000 }, signal),
    isHeld ? {} : { everyMs: ASKED_EVERY_MS },
  );
  const fits = (entry: CaddyLogEntry): boolean =>
    levels.indexOf(entry.level) >= levels.indexOf(least) && textOf(entry).toLowerCase().includes(q);
  return (
    <Page
      title="Caddy's log"
      actions={
        <Button pressed={isHeld} onClick={() => setHeld(!isHeld)}>
          Hold
        </Button>
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
        <div class="wide field">
          <TextField
            label="Text"
            type="search"
            value={query.get("q") ?? ""}
            onInput={(text) => setQuery({ q: text })}
          />
        </div>
      </search>
      <Loaded of={log}>{(entries) => <Entries entries={entries.filter(fits).slice(0, SHOWN)} />}</Loaded>
    </Page>
  );
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
