import type { Outbound } from "./outbound.ts";

/** What matters here of a message. */
export interface Told {
  topic: string;
  payload: Buffer | string;
  /** True for what was there before the subscription. */
  retain: boolean;
}

const hostMark = '"kind":"host"';

/**
 * Makes the test for what nobody waits for: that a member came, went or changed. Of the host everybody is told at once:
 * with it the network is suspended, and resumed.
 */
export function createNewsCheck(): (message: Told) => boolean {
  // A message is looked at once for each of its subscribers, one after the other.
  let lastPayload: Buffer | string = "";
  let isOfMember = true;
  return ({ topic, payload, retain }) => {
    if (retain || !topic.endsWith("/presence") || topic.endsWith("/_all/presence")) return false;
    if (payload !== lastPayload) {
      lastPayload = payload;
      isOfMember = !payload.includes(hostMark);
    }
    return isOfMember;
  };
}

// Telling one client is a system call, here and there, of about 10 µs each: with this pause for each that was told, news
// take a twentieth of the broker's time at most, however many come and go. With ten peers nobody waits for longer than 2 ms.
const pauseForEachMs = 0.2;
// A person does not see the difference.
const longestRoundMs = 200;

/**
 * Decides when news go out. The first that comes to a client after a quiet time goes out at once; in a stream of news what
 * comes to it in one round goes out together at the end of the round.
 */
export class News {
  /** Who was told something in this round, and whether more waits for its end. */
  readonly #told = new Map<Outbound, "told" | "held">();
  #starting: NodeJS.Immediate | undefined;
  #round: NodeJS.Timeout | undefined;

  /**
   * Something is about to be written.
   *
   * @returns true where it is held back
   */
  tell(client: Outbound): boolean {
    const state = this.#told.get(client);
    if (state === undefined) {
      this.#told.set(client, "told");
      // All who are told the same are told in one turn.
      this.#starting ??= setImmediate(() => {
        this.#starting = undefined;
        if (this.#round === undefined) this.#begin();
      });
    } else if (state === "told") {
      this.#told.set(client, "held");
      client.hold();
    }
    return state !== undefined;
  }

  /** Whether something waits for the end of the round. */
  isHeld(client: Outbound): boolean {
    return this.#told.get(client) === "held";
  }

  /** Lets go what is held back. */
  release(client: Outbound): void {
    if (!this.isHeld(client)) return;
    this.#told.set(client, "told");
    client.release();
  }

  /** Forgets a client that is gone. */
  forget(client: Outbound): void {
    this.#told.delete(client);
  }

  stop(): void {
    clearImmediate(this.#starting);
    clearTimeout(this.#round);
  }

  #end(): void {
    this.#round = undefined;
    for (const [client, state] of this.#told) {
      if (state === "held") this.release(client);
      else this.#told.delete(client);
    }
    if (this.#told.size > 0) this.#begin();
  }

  #begin(): void {
    const forMs = Math.min(longestRoundMs, this.#told.size * pauseForEachMs);
    this.#round = setTimeout(() => this.#end(), forMs);
  }
}
