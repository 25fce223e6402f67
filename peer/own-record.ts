import type { Presence } from "../protocol/presence.ts";
import type { Grant } from "./grants.ts";

/** What the care for the own record needs of its surroundings. */
export interface OwnRecordPort {
  epoch: string;
  isHost: boolean;
  /** Publishes the birth again. */
  announce(): void;
  /** Asks the host to whom it granted the own name; undefined where it does not answer. */
  askGrant(): Promise<Grant | null | undefined>;
  onDisplaced(by: Presence): void;
}

// Two lives that repair the same record would never stop (hazard 8: 8,725 births in 2 s). Between two repairs is this
// much, and at an `online` record of another life nobody repairs without the host's word.
const repairPauseMs = 1_000;

/** Keeps the own retained record true: others may have overwritten or cleared it (topics.md, "Presence"). */
export class OwnRecord {
  readonly #port: OwnRecordPort;
  #lastRepairMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #asking = false;
  #closed = false;

  constructor(port: OwnRecordPort) {
    this.#port = port;
  }

  /** Takes what now stands at the own topic; undefined for an empty record. */
  check(record: Presence | undefined): void {
    if (this.#closed || (record?.epoch === this.#port.epoch && record.state === "online")) return;
    if (this.#port.isHost || record?.state !== "online") this.repair();
    else void this.#settle(record);
  }

  /** Publishes the birth again, not more often than every second. */
  repair(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const waitMs = Math.max(0, this.#lastRepairMs + repairPauseMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#lastRepairMs = performance.now();
      this.#port.announce();
    }, waitMs);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #settle(other: Presence): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      // A question that could not be put has no answer.
      const grant = await this.#port.askGrant().catch(() => undefined);
      // A host that does not answer decides nothing: the record is looked at again after the next connect.
      if (grant === undefined || this.#closed) return;
      if (grant === null || grant.epoch === this.#port.epoch) this.repair();
      else this.#port.onDisplaced(other);
    } finally {
      this.#asking = false;
    }
  }
}
