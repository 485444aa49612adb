import type { JSX } from "preact";
import type { Event, RevisionSummary } from "../data/types.ts";
import { plural } from "../format.ts";
import { href } from "../router.ts";
import { Time } from "./time.tsx";

/** Events, the newest first. */
export function EventFeed({ events }: { readonly events: readonly Event[] }): JSX.Element {
  return (
    <ol class="feed">
      {events.map((event) => (
        <li key={event.id}>
          <Time at={event.time} />
          <span>
            <EventText event={event} />
          </span>
          <span class="hint">
            {event.type}
            {event.actor !== undefined && ` · by ${event.actor.subject}`}
            {event.change_message !== undefined && ` · “${event.change_message}”`}
          </span>
        </li>
      ))}
    </ol>
  );
}

/** The message, with the way to what it is about. */
function EventText({ event }: { readonly event: Event }): JSX.Element {
  const { message, ingress, instance, type } = event;
  const name = ingress?.name ?? instance?.name;
  const at = name === undefined ? -1 : message.indexOf(name);
  const isGone = type === "ingress.deleted" || type === "ingress.refused" || type === "instance.gone";
  if (name === undefined || at < 0 || isGone) return <>{message}</>;
  const to =
    ingress?.name !== undefined ? href(["ingresses", ingress.id ?? name]) : href(["instances", name]);
  return (
    <>
      {message.slice(0, at)}
      <a href={to}>{name}</a>
      {message.slice(at + name.length)}
    </>
  );
}

/** Commits of ingresses, the newest first. */
export function RevisionFeed({ revisions }: { readonly revisions: readonly RevisionSummary[] }): JSX.Element {
  return (
    <ol class="feed">
      {revisions.map((revision) => (
        <li key={revision.revision}>
          <Time at={revision.at} />
          <span>
            <a href={href(["history", String(revision.revision)])}>{summary(revision)}</a>
          </span>
          <span class="hint">{authors(revision)}</span>
        </li>
      ))}
    </ol>
  );
}

/** `shop changed`, `3 created, 1 deleted` */
export function summary({ changes, created, changed, deleted }: RevisionSummary): string {
  const [only] = changes;
  if (created + changed + deleted === 1 && only !== undefined) return `${only.name ?? only.id} ${only.op}`;
  const parts = [
    [created, "created"],
    [changed, "changed"],
    [deleted, "deleted"],
  ] as const;
  const told = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  return told.join(", ") || plural(0, "change");
}

/** Who, and why. */
export function authors({ authors: all }: Pick<RevisionSummary, "authors">): string {
  return all
    .slice(0, 3)
    .map(({ actor, message }) => (message === undefined ? actor.subject : `${actor.subject}: “${message}”`))
    .join(", ");
}
