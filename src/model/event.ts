import type { Event } from "./api.ts";
import type { Attribution } from "./attribution.ts";

/** What happened, as the part that knows it tells it. Holds no secret. */
export type EventDraft = Omit<Event, "id" | "time">;

/** Whom a part tells what happened. Returns at once and never throws. */
export interface EventSink {
  emit(event: EventDraft): void;
}

/** For parts that nobody listens to. */
export const noEvents: EventSink = { emit: () => undefined };

/** The members of an event that say whose change it is. */
export function attributed({ actor, message }: Attribution): Pick<Event, "actor" | "change_message"> {
  return message === undefined ? { actor } : { actor, change_message: message };
}
