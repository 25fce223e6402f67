import type { Peer } from "../peer/peer.ts";

// Each change is a message to every other peer: the short states between two runs are not worth one.
const pauseMs = 1_000;
// Others want to know whether there is room left, not the exact number.
const contextStep = 10;

interface Shown {
  activity: string;
  contextPercent: number | undefined;
}

/** Tells the network what this agent is doing, at most once in a second. */
export class Activity {
  #peer: Peer | undefined;
  #shown: Shown | undefined;
  #wanted: Shown | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * Publishes what has changed, now or when the pause is over.
   *
   * @param contextPercent how much of the model's context is used, where that is known
   */
  show(peer: Peer, activity: string, contextPercent: number | undefined): void {
    if (peer !== this.#peer) {
      this.close();
      this.#peer = peer;
      this.#shown = undefined;
    }
    const step = contextPercent === undefined ? undefined : Math.floor(contextPercent / contextStep) * contextStep;
    this.#wanted = { activity, contextPercent: step === undefined ? undefined : Math.min(100, step) };
    if (this.#timer === undefined) this.#publish();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #publish(): void {
    const { activity, contextPercent } = this.#wanted ?? {};
    const isNew = activity !== this.#shown?.activity || contextPercent !== this.#shown?.contextPercent;
    if (!isNew || activity === undefined || this.#peer === undefined) return;
    this.#shown = { activity, contextPercent };
    this.#peer.describe({ activity, ...(contextPercent === undefined ? {} : { contextPercent }) });
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#publish();
    }, pauseMs).unref();
  }
}
