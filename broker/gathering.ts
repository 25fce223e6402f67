import type { News } from "./news.ts";
import type { Outbound } from "./outbound.ts";

// From the PUBACK that Aedes writes for a message to its forwarding lie two turns of the event loop.
const forwardedAfterTurns = 3;

/**
 * Decides in which turn of the event loop what Aedes writes to one client goes out. By itself each packet is a system
 * call of its own, and these take more of the broker's time than everything else.
 */
export class Gathering {
  readonly #outbound: Outbound;
  readonly #news: News;
  #isHolding = false;
  #forwards = 0;

  constructor(outbound: Outbound, news: News) {
    this.#outbound = outbound;
    this.#news = news;
  }

  /** How much is held back, in bytes. */
  get waitingBytes(): number {
    return this.#outbound.waitingBytes;
  }

  /** An acknowledgement is about to be written. It waits until the message itself has gone out, which somebody waits for. */
  acknowledge(): void {
    if (!this.#isHolding) this.#hold(forwardedAfterTurns);
  }

  /** A message is about to be written, in the next turn. Where there are several they go out together. */
  forward(): void {
    this.#forwards += 1;
    if (this.#forwards > 1) return;
    setImmediate(() => {
      const isBurst = this.#forwards > 1;
      this.#forwards = 0;
      if (!this.#isHolding && (isBurst || this.#news.isHeld(this.#outbound))) this.#hold(1);
    });
  }

  /** What nobody waits for is about to be written. */
  tell(): void {
    if (!this.#news.tell(this.#outbound)) this.forward();
  }

  #hold(turns: number): void {
    this.#isHolding = true;
    this.#outbound.hold();
    // What is held back goes out before it, in the same system call.
    this.#news.release(this.#outbound);
    this.#releaseAfter(turns);
  }

  #releaseAfter(turns: number): void {
    setImmediate(() => {
      if (turns > 1) return this.#releaseAfter(turns - 1);
      this.#isHolding = false;
      this.#outbound.release();
    });
  }
}
