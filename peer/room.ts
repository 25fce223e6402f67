import { byteLengthOf } from "../protocol/json.ts";
import type { InboxEntry } from "./peer.ts";

/** How much may wait in an inbox. */
export interface InboxLimits {
  messages: number;
  /** Of all bodies together. */
  bytes: number;
}

/** The most that may wait unread ([DEL-22] in topics.md): far from what stops a process that holds it in memory. */
export const inboxLimits: InboxLimits = { messages: 100_000, bytes: 256 * 1024 * 1024 };

/** Counts what waits in an inbox: what no session has taken, and the person has not cleared. */
export class Room {
  readonly #limits: InboxLimits;
  readonly #waiting = new Map<InboxEntry, number>();
  #waitingBytes = 0;

  constructor(limits: InboxLimits) {
    this.#limits = limits;
  }

  /** True while nothing more is to be taken. */
  get isFull(): boolean {
    return this.#waiting.size >= this.#limits.messages || this.#waitingBytes >= this.#limits.bytes;
  }

  /** Counts a message, or counts it no longer. Call it whenever one came, or its state or the person's attention changed. */
  weigh(entry: InboxEntry): void {
    const counted = this.#waiting.get(entry);
    const isWaiting = entry.state === "unread" && entry.attention !== "cleared";
    if (isWaiting && counted === undefined) {
      const { body } = entry;
      const sizeBytes = byteLengthOf(typeof body === "string" ? body : JSON.stringify(body));
      this.#waiting.set(entry, sizeBytes);
      this.#waitingBytes += sizeBytes;
    } else if (!isWaiting && counted !== undefined) {
      this.#waiting.delete(entry);
      this.#waitingBytes -= counted;
    }
  }
}
