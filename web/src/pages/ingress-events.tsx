import type { JSX } from "preact";
import { get } from "../data/client.ts";
import { useResource } from "../data/resource.ts";
import type { Event } from "../data/types.ts";
import { EventFeed } from "../ui/feed.tsx";
import { Empty, Loaded } from "../ui/page.tsx";

export function IngressEvents({ id }: { readonly id: string }): JSX.Element {
  const events = useResource(
    `events ${id}`,
    (signal) => get<readonly Event[]>("/events", { follow: "false", ingress: id, limit: 100 }, signal),
    {
      on: ({ ingress }) => ingress?.id === id,
    },
  );
  return (
    <Loaded of={events}>
      {(list) =>
        list.length === 0 ? (
          <Empty title="Nothing is kept of this ingress.">The last 10,000 events of all are kept.</Empty>
        ) : (
          <EventFeed events={list} />
        )
      }
    </Loaded>
  );
}
