import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../data/client.ts";
import { live } from "../data/live.ts";
import { useResource } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Event } from "../data/types.ts";
import { route, setQuery } from "../router.ts";
import { Button, Field, TextField } from "../ui/controls.tsx";
import { EventFeed } from "../ui/feed.tsx";
import { Following } from "../ui/following.tsx";
import { Empty, Loaded, Page } from "../ui/page.tsx";

const families = [
  "ingress",
  "instance",
  "target",
  "certificate",
  "token",
  "source",
  "caddy",
  "drift",
  "port",
  "gateway",
] as const;
const KEPT = 300;

/** What happens, as it happens. */
export function EventsPage(): JSX.Element {
  const { query } = useStore(route);
  const [isHeld, setHeld] = useState(false);
  const type = query.get("type") ?? "";
  const ingress = query.get("ingress") ?? "";
  const instance = query.get("instance") ?? "";
  const events = useEvents(type, ingress, instance, isHeld);
  const state = useStore(live.state);
  return (
    <Page
      title="Events"
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
        <Field label="Kind">
          {(props) => (
            <select
              {...props}
              value={type}
              onChange={(event) => setQuery({ type: event.currentTarget.value })}
            >
              <option value="">all</option>
              {families.map((family) => (
                <option key={family} value={family}>
                  {family}
                </option>
              ))}
            </select>
          )}
        </Field>
        <TextField
          label="Ingress"
          value={ingress}
          onInput={(text) => setQuery({ ingress: text })}
          placeholder="id or name"
        />
        <TextField
          label="Instance"
          value={instance}
          onInput={(text) => setQuery({ instance: text })}
          placeholder="id or name"
        />
      </search>
      <Loaded of={events}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No event fits.">
              <p>What happens from now on stands here by itself. The last 10,000 events are kept.</p>
            </Empty>
          ) : (
            <EventFeed events={list} />
          )
        }
      </Loaded>
    </Page>
  );
}

/** Those that are kept, and from then on those that come. */
function useEvents(
  type: string,
  ingress: string,
  instance: string,
  isHeld: boolean,
): ReturnType<typeof useResource<readonly Event[]>> {
  const key = `events ${type} ${ingress} ${instance}`;
  const kept = useResource(key, (signal) =>
    get<readonly Event[]>("/events", { follow: "false", limit: KEPT, type, ingress, instance }, signal),
  );
  const [come, setCome] = useState<{ readonly key: string; readonly events: readonly Event[] }>({
    key,
    events: [],
  });
  const held = useRef(isHeld);
  held.current = isHeld;
  const { reload } = kept;
  // what was held is asked for when it is not any more
  useEffect(() => void (isHeld || reload()), [isHeld]);
  useEffect(
    () =>
      live.listen((event) => {
        if (held.current) return;
        if (event === "gap") return reload();
        if (!fits(event, type, ingress, instance)) return;
        setCome((old) => ({ key, events: [event, ...(old.key === key ? old.events : [])].slice(0, KEPT) }));
      }),
    [key, type, ingress, instance, reload],
  );
  if (kept.data === undefined) return kept;
  const known = new Set(kept.data.map(({ id }) => id));
  const fresh = come.key === key ? come.events.filter(({ id }) => !known.has(id)) : [];
  return { ...kept, data: [...fresh, ...kept.data].slice(0, KEPT) };
}

function fits(event: Event, type: string, ingress: string, instance: string): boolean {
  const names = (one: Event["ingress"], wanted: string): boolean =>
    wanted === "" || one?.id === wanted || one?.name === wanted;
  return (
    (type === "" || event.type.startsWith(`${type}.`)) &&
    names(event.ingress, ingress) &&
    names(event.instance, instance)
  );
}
