import type { Duplex } from "node:stream";

// From the PUBACK that Aedes writes for a message to its forwarding lie two turns of the event loop.
const forwardedAfterTurns = 3;

/**
 * Decides in which turn of the event loop what Aedes writes to one client goes out. By itself each packet is a system
 * call of its own, and these take more of the broker's time than everything else.
 */
export class Gathering {
  readonly #stream: Duplex;
  #isHolding = false;
  #forwards = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** A PUBACK is about to be written. It waits until the message itself has gone out, which somebody waits for. */
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
      if (isBurst && !this.#isHolding) this.#hold(1);
    });
  }

  #hold(turns: number): void {
    this.#isHolding = true;
    this.#stream.cork();
    this.#release(turns);
  }

  #release(turns: number): void {
    setImmediate(() => {
      if (turns > 1) return this.#release(turns - 1);
      this.#isHolding = false;
      this.#stream.uncork();
    });
  }
}
