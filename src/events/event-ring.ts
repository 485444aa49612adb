import type { KeptEvent } from "./kept-event.ts";

/** The last events, by growing ids. Memory only. */
export class EventRing {
  readonly #capacity: number;
  readonly #slots: KeptEvent[] = [];
  /** Where the oldest is, once the ring is full. */
  #first = 0;
  #droppedId = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#slots.length;
  }

  /** 0 while there was none. */
  get lastId(): number {
    return this.size === 0 ? this.#droppedId : this.#at(this.size - 1).id;
  }

  /** The last one that has left the ring; 0 while none has. */
  get droppedId(): number {
    return this.#droppedId;
  }

  /** Says that there were events up to this id which the ring does not have. */
  begin(droppedId: number): void {
    this.#droppedId = Math.max(this.#droppedId, droppedId);
  }

  push(event: KeptEvent): void {
    if (this.size < this.#capacity) {
      this.#slots.push(event);
      return;
    }
    this.#droppedId = this.#at(0).id;
    this.#slots[this.#first] = event;
    this.#first = (this.#first + 1) % this.#capacity;
  }

  /** Those that follow an id, the oldest first, at most so many. */
  after(id: number, most: number): readonly KeptEvent[] {
    let low = 0;
    for (let high = this.size; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.#at(middle).id <= id) low = middle + 1;
      else high = middle;
    }
    const count = Math.min(most, this.size - low);
    return Array.from({ length: count }, (_, index) => this.#at(low + index));
  }

  /** The newest first. */
  *newest(): Generator<KeptEvent> {
    // By id, not by place: events may come while somebody reads.
    let before = Number.POSITIVE_INFINITY;
    for (let index = this.size - 1; index >= 0; index--) {
      const event = this.#at(index);
      if (event.id >= before) continue;
      before = event.id;
      yield event;
    }
  }

  #at(index: number): KeptEvent {
    return this.#slots[(this.#first + index) % this.#slots.length] as KeptEvent;
  }
}
