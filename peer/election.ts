import type { Control } from "../protocol/control.ts";
import { PilinkError } from "../protocol/errors.ts";
import type { Presence } from "../protocol/presence.ts";
import { everyone } from "../protocol/topics.ts";
import type { Wire } from "./wire.ts";

/** How long no new claim may come before a creator counts itself elected, in milliseconds (hazard 3). */
export const settleTimes = { loopbackMs: 60, networkMs: 1_000 } as const;

/** A creator that wants to be host. */
export interface Candidate {
  wire: Wire;
  network: string;
  name: string;
  /** Its life; the smallest of all candidates wins. */
  epoch: string;
  settleMs: number;
  /** True for the record of a host that is known not to live. */
  isGhost: (presence: Presence) => boolean;
  /** Publishes the birth. */
  announce: () => Promise<void>;
  signal: AbortSignal | undefined;
}

/**
 * Elects one host among those who create the same network at the same time. MQTT has no test-and-set, so everybody
 * claims, and the smallest epoch that nobody contests wins (topics.md, "Entering a network"; hazard 3).
 * The caller has subscribed to presence and to the claims, and withdraws a birth it announced if this throws.
 *
 * @throws PilinkError `network-exists` naming the host, where this candidate lost; `cancelled`; `connection-lost`
 */
export async function elect(candidate: Candidate): Promise<void> {
  const contest = new Contest(candidate);
  try {
    await contest.claim();
    await contest.untilQuiet(candidate.settleMs);
    await contest.announce();
    // Whoever claimed at the very end of the settle time with a smaller epoch shows itself now.
    await contest.untilQuiet(Math.ceil(candidate.settleMs / 3));
  } finally {
    contest.close();
  }
}

/** The error for a network that has a host. */
export function existingNetwork(network: string, host: string): PilinkError {
  return new PilinkError(
    "network-exists",
    `The network "${network}" already exists; its host is "${host}". Join it with /pilink join ${network}, or choose another name.`,
    { value: network },
  );
}

/** The error for a call that was ended by whoever made it. */
export function cancelled(what: string): PilinkError {
  return new PilinkError("cancelled", `${what} was cancelled.`);
}

class Contest {
  readonly #candidate: Candidate;
  readonly #contenders = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #forMs = 0;
  #resolve: (() => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #fault: unknown;
  #announced = false;

  constructor(candidate: Candidate) {
    this.#candidate = candidate;
    candidate.wire.events.on("control", this.#onControl);
    candidate.wire.events.on("presence", this.#onPresence);
    candidate.wire.link.events.on("down", this.#onDown);
    candidate.signal?.addEventListener("abort", this.#onAbort);
    if (candidate.signal?.aborted === true) this.#onAbort();
  }

  claim(): Promise<void> {
    const { wire, name, epoch } = this.#candidate;
    return wire.publishControl(everyone, { v: 1, type: "claim", from: name, epoch });
  }

  announce(): Promise<void> {
    this.#announced = true;
    return this.#candidate.announce();
  }

  /** Waits until no new contender has come for this long. @throws what ended the contest */
  untilQuiet(forMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== undefined) return reject(this.#fault);
      this.#resolve = resolve;
      this.#reject = reject;
      this.#forMs = forMs;
      this.#startTimer();
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    const { wire, signal } = this.#candidate;
    wire.events.off("control", this.#onControl);
    wire.events.off("presence", this.#onPresence);
    wire.link.events.off("down", this.#onDown);
    signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onControl = (control: Control): void => {
    if (control.type !== "claim" || control.epoch === this.#candidate.epoch) return;
    if (this.#announced) {
      // Now this one is host, and a host answers a claim with its birth.
      this.announce().catch((error: unknown) => this.#fail(error));
    } else if (control.epoch < this.#candidate.epoch) {
      this.#fail(existingNetwork(this.#candidate.network, control.from));
    } else {
      // It may have subscribed after our claim went by: it must hear of it, or both would wait in peace.
      this.claim().catch((error: unknown) => this.#fail(error));
      if (!this.#contenders.has(control.epoch)) this.#startTimer();
      this.#contenders.add(control.epoch);
    }
  };

  readonly #onPresence = (name: string, record: Presence | undefined): void => {
    if (record?.kind !== "host" || record.state !== "online" || record.epoch === this.#candidate.epoch) return;
    if (this.#candidate.isGhost(record) || (this.#announced && record.epoch > this.#candidate.epoch)) return;
    this.#fail(existingNetwork(this.#candidate.network, name));
  };

  readonly #onDown = (): void => {
    this.#fail(
      new PilinkError(
        "connection-lost",
        "The connection to the broker ended while the network was created. Try again.",
      ),
    );
  };

  readonly #onAbort = (): void => this.#fail(cancelled(`Creating the network "${this.#candidate.network}"`));

  #startTimer(): void {
    clearTimeout(this.#timer);
    if (this.#resolve === undefined) return;
    this.#timer = setTimeout(() => this.#resolve?.(), this.#forMs);
  }

  #fail(fault: unknown): void {
    this.#fault ??= fault;
    clearTimeout(this.#timer);
    this.#reject?.(this.#fault);
  }
}
