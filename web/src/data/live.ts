import { Stream } from "./stream.ts";
import type { Event } from "./types.ts";

/** The events of the API as they come. */
export const live = new Stream<Event>("/events");
