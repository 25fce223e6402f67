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

// A person does not see the difference. Where hundreds come and go it is many times more, so that writing of them takes no
// more than this share of the broker's time: each is a system call for each client, here and there.
const roundMs = { shortest: 50, longest: 500 } as const;
const share = 1 / 20;

/**
 * Decides when news go out. The first that comes to a client after a quiet time goes out at once; in a stream of news what
 * comes to it in one round goes out together at the end of the round.
 */
export class News {
  /** Who was told something in this round, and whether more waits for its end. */
  readonly #told = new Map<Outbound, "told" | "held">();
  #timer: NodeJS.Timeout | undefined;

  /**
   * Something is about to be written.
   *
   * @returns true where it is held back
   */
  tell(client: Outbound): boolean {
    const state = this.#told.get(client);
    if (state === undefined) {
      this.#told.set(client, "told");
      this.#begin(roundMs.shortest);
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
    clearTimeout(this.#timer);
  }

  #end(): void {
    const beganMs = performance.now();
    this.#timer = undefined;
    for (const [client, state] of this.#told) {
      if (state === "held") this.release(client);
      else this.#told.delete(client);
    }
    const tookMs = performance.now() - beganMs;
    if (this.#told.size > 0) this.#begin(Math.min(roundMs.longest, Math.max(roundMs.shortest, tookMs / share)));
  }

  #begin(forMs: number): void {
    this.#timer ??= setTimeout(() => this.#end(), forMs);
  }
}
