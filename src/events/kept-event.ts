import type { Event } from "../model/api.ts";

/** Longer ones lose their data: one event must not take the place of a thousand. */
const LONGEST_TEXT = 16 * 1024;

/** An event in the log: as it is served, and what it says. Each is made of the other when it is first asked for. */
export class KeptEvent {
  readonly id: number;
  #event: Event | undefined;
  #text: string | undefined;

  private constructor(id: number, event: Event | undefined, text: string | undefined) {
    this.id = id;
    this.#event = event;
    this.#text = text;
  }

  static of(event: Event): KeptEvent {
    return new KeptEvent(event.id, event, undefined);
  }

  /** From the text of a whole event, as it was kept. */
  static read(id: number, text: string): KeptEvent {
    return new KeptEvent(id, undefined, text);
  }

  get event(): Event {
    this.#event ??= JSON.parse(this.text) as Event;
    return this.#event;
  }

  /** One line of JSON. */
  get text(): string {
    this.#text ??= textOf(this.event);
    return this.#text;
  }
}

function textOf(event: Event): string {
  const text = JSON.stringify(event);
  return text.length <= LONGEST_TEXT ? text : JSON.stringify({ ...event, data: { left_out: text.length } });
}
