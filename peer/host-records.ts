import type { ClosingMark, Presence } from "../protocol/presence.ts";
import { cancelled } from "./election.ts";
import type { Wire } from "./wire.ts";

/** The records of hosts that a broker holds of one network. */
export class HostRecords {
  readonly #records = new Map<string, Presence>();
  readonly #closed = new Set<string>();
  #found: (() => void) | undefined;

  /** @param wire what brings the records */
  constructor(wire: Wire) {
    wire.events.on("presence", this.#onPresence);
    wire.events.on("mark", this.#onMark);
  }

  readonly #onPresence = (name: string, record: Presence | undefined): void => {
    if (record?.kind !== "host" || record.state === "left") this.#records.delete(name);
    else {
      this.#records.set(name, record);
      this.#found?.();
    }
  };

  readonly #onMark = (mark: ClosingMark | undefined): void => {
    if (mark !== undefined) this.#closed.add(mark.net);
  };

  /** The hosts that may live: those online first, of those the oldest. */
  candidates(): [string, Presence][] {
    return [...this.#records]
      .filter(([, record]) => !this.#closed.has(record.net))
      .sort(([, a], [, b]) => rank(a).localeCompare(rank(b)));
  }

  /** Waits until a host's record has come, or the time is over. @throws PilinkError `cancelled` */
  untilFound(forMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        this.#found = undefined;
        if (signal?.aborted === true) reject(cancelled("Joining"));
        else resolve();
      };
      const timer = setTimeout(finish, forMs);
      this.#found = () => {
        if (this.candidates().length > 0) finish();
      };
      signal?.addEventListener("abort", finish);
      this.#found();
      if (signal?.aborted === true) finish();
    });
  }
}

function rank(record: Presence): string {
  return `${record.state === "online" ? 0 : 1} ${record.epoch}`;
}
