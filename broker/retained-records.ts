import { detach, sizeOf } from "./session-queues.ts";

/** How many retained messages are kept, and for how long those of lost peers. */
export interface RetainedLimits {
  records: number;
  bytes: number;
  /** How long the record of a peer that was lost is kept, in ms. */
  lostExpiryMs: number;
}

/** What matters here of a retained message; an empty payload takes the record of its topic away. */
export interface RetainedPacket {
  topic: string;
  payload: Buffer | string;
}

interface Held {
  sizeBytes: number;
  storedMs: number;
  payload: Buffer | string;
}

/**
 * Which retained messages the broker keeps.
 *
 * Cause: Aedes keeps each of them for as long as the broker runs, without a limit. Peers that are killed together with
 * their host leave a record behind that nobody clears any more, and whoever can publish can fill the memory.
 */
export class RetainedRecords {
  readonly #limits: RetainedLimits;
  readonly #held = new Map<string, Held>();
  #totalBytes = 0;

  constructor(limits: RetainedLimits) {
    this.#limits = limits;
  }

  /**
   * Decides on a retained message.
   *
   * @returns what is to be stored; undefined where there is no room for another one: those who are subscribed still get it
   */
  admit<Packet extends RetainedPacket>(packet: Packet, nowMs: number): Packet | undefined {
    const { topic } = packet;
    const payload = detach(packet.payload);
    const former = this.#held.get(topic);
    const sizeBytes = sizeOf(topic, payload);
    const totalBytes = this.#totalBytes - (former?.sizeBytes ?? 0);
    if (payload.length === 0) {
      this.#held.delete(topic);
      this.#totalBytes = totalBytes;
      return packet;
    }
    const isNew = former === undefined;
    if ((isNew && this.#held.size >= this.#limits.records) || totalBytes + sizeBytes > this.#limits.bytes)
      return undefined;
    this.#held.set(topic, { sizeBytes, storedMs: nowMs, payload });
    this.#totalBytes = totalBytes + sizeBytes;
    return { ...packet, payload };
  }

  /** The topics of peers that were lost for too long; no network waits for any of them. */
  expired(nowMs: number): string[] {
    const isExpired = ([topic, { storedMs, payload }]: [string, Held]) =>
      nowMs - storedMs >= this.#limits.lostExpiryMs && topic.endsWith("/presence") && isLost(payload);
    return [...this.#held].filter(isExpired).map(([topic]) => topic);
  }
}

/** By hand and not by the schema of a record: zod costs the broker's process 15 MB of memory. */
function isLost(payload: Buffer | string): boolean {
  try {
    const record: unknown = JSON.parse(payload.toString());
    return typeof record === "object" && record !== null && "state" in record && record.state === "lost";
  } catch {
    // Not a record, and not ours to judge.
    return false;
  }
}
