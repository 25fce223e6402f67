import { hopsLimit } from "../protocol/envelope.ts";
import { PilinkError } from "../protocol/errors.ts";
import type { InboxEntry } from "./peer.ts";

/** How long a message that was taken in counts for what is sent after it, in milliseconds (hazard 15). */
export const chainMs = 600_000;

/** What a message that is sent now carries. */
export interface Link {
  hops: number;
  trace?: string;
}

/**
 * What a face without a person carries on from the messages that it took in: 1 + the largest hops of the last
 * 10 minutes, with or without `re` (topics.md, "Loops").
 */
export class Chain {
  readonly #taken: { hops: number; trace: string; atMs: number }[] = [];
  readonly #nowMs: () => number;

  /** @param nowMs a clock that only moves forward, in milliseconds */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Notes that a message was taken in. */
  note({ hops, trace }: Pick<InboxEntry, "hops" | "trace">): void {
    this.#forget();
    this.#taken.push({ hops, trace, atMs: this.#nowMs() });
  }

  /**
   * What the next message carries.
   *
   * @throws PilinkError `not-approved` where that is above the limit, because nobody can be asked
   */
  next(): Link {
    this.#forget();
    const strongest = this.#taken.reduce((held, taken) => (taken.hops > held.hops ? taken : held), {
      hops: -1,
      trace: "",
    });
    if (strongest.hops < 0) return { hops: 0 };
    const hops = strongest.hops + 1;
    if (hops <= hopsLimit) return { hops, trace: strongest.trace };
    throw new PilinkError(
      "not-approved",
      `Nothing was sent: agents have passed messages on ${hops} times without a word of a person, and ${hopsLimit} is the limit. End here, or send again when no such message came for ${chainMs / 60_000} minutes.`,
      { value: hops },
    );
  }

  #forget(): void {
    const limitMs = this.#nowMs() - chainMs;
    while (this.#taken[0] !== undefined && this.#taken[0].atMs < limitMs) this.#taken.shift();
  }
}
