/** What the messages taken in since the person's last input mean for a message that the model sends now. */
export class Run {
  #hops: number | undefined;
  #trace: string | undefined;

  /** The person has spoken: what follows is its doing (topics.md, "Loops"). */
  restart(): void {
    this.#hops = undefined;
    this.#trace = undefined;
  }

  /** The model has been given a message of another agent. */
  takeIn(hops: number, trace: string): void {
    if (this.#hops !== undefined && hops <= this.#hops) return;
    this.#hops = hops;
    this.#trace = trace;
  }

  /** What a message that is sent now carries. */
  next(): { hops: number; trace?: string } {
    if (this.#hops === undefined) return { hops: 0 };
    return { hops: this.#hops + 1, ...(this.#trace === undefined ? {} : { trace: this.#trace }) };
  }
}
