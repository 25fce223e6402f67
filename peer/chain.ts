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
    const link = this.look();
    if (link.hops <= hopsLimit) return link;
    throw new PilinkError(
      "not-approved",
      `Nothing was sent: agents have passed messages on ${link.hops} times without a word of a person, and ${hopsLimit} is the limit. End here, or send again when no such message came for ${chainMs / 60_000} minutes.`,
      { value: link.hops },
    );
  }

  /** What the next message would carry, also above the limit: for a face that can ask a person. */
  look(): Link {
    this.#forget();
    const strongest = this.#taken.reduce((held, taken) => (taken.hops > held.hops ? taken : held), {
      hops: -1,
      trace: "",
    });
    return strongest.hops < 0 ? { hops: 0 } : { hops: strongest.hops + 1, trace: strongest.trace };
  }

  /** A person has spoken: what is sent from now on is the person's doing (hazard 15). */
  restart(): void {
    this.#taken.length = 0;
  }

  #forget(): void {
    const limitMs = this.#nowMs() - chainMs;
    while (this.#taken[0] !== undefined && this.#taken[0].atMs < limitMs) this.#taken.shift();
  }
}
