// More would not fit into one request, and the sender fills its window in order anyway.
const missingLimit = 200;

/** What one more message does to the order of a sender's messages. */
export interface OrderStep<Item> {
  /** What may be shown now, in order. */
  released: Item[];
  /** True if `released` holds the message itself after later ones had been let through. */
  late: boolean;
  /** The sequence numbers that are waited for. */
  missing: number[];
}

/**
 * Puts the messages of one sender in order by `seq` (topics.md, "Delivery"; hazard 7).
 * The lowest number that its sender still has to deliver is stated in each message as `base`:
 * nothing below it is waited for.
 */
export class PairOrder<Item> {
  #next = 1;
  // A number without an item is one that needs no showing.
  readonly #waiting = new Map<number, Item | undefined>();

  /** True while a message waits for an earlier one. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Takes a message that was not had before.
   *
   * @param seq its number, from 1
   * @param base the lowest number that its sender has not seen settled
   */
  push(seq: number, base: number, item: Item): OrderStep<Item> {
    // Two with one number are no honest sender's; neither may hide the other.
    const isTaken = this.#waiting.get(seq) !== undefined;
    if (seq < this.#next || isTaken) return { released: [item], late: true, missing: this.#missing() };
    return { released: this.#place(seq, base, item), late: false, missing: this.#missing() };
  }

  /**
   * Takes note of a message that came and is not shown: later ones need not wait for it.
   *
   * @returns what may be shown now
   */
  skip(seq: number, base: number): Item[] {
    return seq < this.#next || this.#waiting.has(seq) ? [] : this.#place(seq, base, undefined);
  }

  #place(seq: number, base: number, item: Item | undefined): Item[] {
    const released: Item[] = [];
    this.#waiting.set(seq, item);
    // A message is itself not settled, so no honest `base` is above its `seq`.
    const settledBelow = Math.min(base, seq);
    if (settledBelow > this.#next) {
      released.push(...this.#takeBelow(settledBelow));
      this.#next = settledBelow;
    }
    released.push(...this.#takeRun());
    return released;
  }

  /** Lets everything through that waits, because what it waits for did not come in time. */
  giveUp(): Item[] {
    const highest = Math.max(this.#next - 1, ...this.#waiting.keys());
    const released = this.#takeBelow(highest + 1);
    this.#next = highest + 1;
    return released;
  }

  #takeBelow(limit: number): Item[] {
    const taken: Item[] = [];
    for (const seq of [...this.#waiting.keys()].filter((seq) => seq < limit).sort((a, b) => a - b)) {
      const item = this.#waiting.get(seq);
      this.#waiting.delete(seq);
      if (item !== undefined) taken.push(item);
    }
    return taken;
  }

  #takeRun(): Item[] {
    const taken: Item[] = [];
    while (this.#waiting.has(this.#next)) {
      const item = this.#waiting.get(this.#next);
      this.#waiting.delete(this.#next);
      if (item !== undefined) taken.push(item);
      this.#next += 1;
    }
    return taken;
  }

  #missing(): number[] {
    if (this.#waiting.size === 0) return [];
    const highest = Math.max(...this.#waiting.keys());
    const missing: number[] = [];
    for (let seq = this.#next; seq < highest && missing.length < missingLimit; seq += 1) {
      if (!this.#waiting.has(seq)) missing.push(seq);
    }
    return missing;
  }
}
