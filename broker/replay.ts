import type { Transform } from "node:stream";

// More at once would let other clients wait: this many take about a millisecond.
const atOnce = 100;

/**
 * What Aedes takes for a stream of retained messages: all that it does with one is to pipe it into the transform that
 * writes each to the client.
 *
 * Cause: through a stream one message takes two turns of the event loop and a system call, and a newcomer in a network of
 * a thousand peers is brought a thousand.
 */
export class Replay {
  readonly #packets: readonly object[];

  constructor(packets: readonly object[]) {
    this.#packets = packets;
  }

  /** Gives the messages to the transform, in order. */
  pipe(target: Transform): void {
    this.#write(target, 0);
  }

  #write(target: Transform, from: number): void {
    const end = Math.min(this.#packets.length, from + atOnce);
    // Not `write()`, which waits for each to be done. They are sent in the order of these calls.
    for (const packet of this.#packets.slice(from, end)) target._transform(packet, "utf8", () => undefined);
    if (end < this.#packets.length) setImmediate(() => this.#write(target, end));
  }
}
