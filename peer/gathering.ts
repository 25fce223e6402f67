import type { Duplex } from "node:stream";

/**
 * Brings what is written in one turn of the event loop together: by itself each packet is a system call, and in a burst
 * these take more time than everything else.
 */
export class Gathering {
  readonly #stream: Duplex;
  #state: "idle" | "written" | "held" = "idle";

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** Call it before a packet is written that somebody waits for. The first one of a turn goes out at once. */
  add(): void {
    if (this.#state === "idle") this.#begin("written");
    else this.hold();
  }

  /** What is written in the rest of this turn goes out at its end. */
  hold(): void {
    if (this.#state === "held") return;
    if (this.#state === "idle") this.#begin("held");
    this.#state = "held";
    this.#stream.cork();
  }

  #begin(state: "written" | "held"): void {
    this.#state = state;
    setImmediate(() => {
      if (this.#state === "held") this.#stream.uncork();
      this.#state = "idle";
    });
  }
}
