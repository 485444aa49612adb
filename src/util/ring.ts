/** The last of what has growing ids. Memory only. */
export class Ring<Item extends { readonly id: number }> {
  readonly #capacity: number;
  readonly #slots: Item[] = [];
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

  /** Says that there were some up to this id which the ring does not have. */
  begin(droppedId: number): void {
    this.#droppedId = Math.max(this.#droppedId, droppedId);
  }

  push(item: Item): void {
    if (this.size < this.#capacity) {
      this.#slots.push(item);
      return;
    }
    this.#droppedId = this.#at(0).id;
    this.#slots[this.#first] = item;
    this.#first = (this.#first + 1) % this.#capacity;
  }

  /** Those that follow an id, the oldest first, at most so many. */
  after(id: number, most: number): readonly Item[] {
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
  *newest(): Generator<Item> {
    // By id, not by place: some may come while somebody reads.
    let before = Number.POSITIVE_INFINITY;
    for (let index = this.size - 1; index >= 0; index--) {
      const item = this.#at(index);
      if (item.id >= before) continue;
      before = item.id;
      yield item;
    }
  }

  #at(index: number): Item {
    return this.#slots[(this.#first + index) % this.#slots.length] as Item;
  }
}
