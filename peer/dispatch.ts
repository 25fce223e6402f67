import type { OutboxEntry } from "./outbox.ts";

/** The most unsettled messages, and bytes of them, that are on their way to one receiver at a time. Brokers drop what exceeds their queues without a word (Mosquitto: 1,000 messages). */
export const windowLimits = { messages: 64, bytes: 8 * 1024 * 1024 } as const;

/** The pause before a message without a receipt is published again: the first, and the longest, in milliseconds. */
export const repeatPauses = { firstMs: 2_000, longestMs: 60_000 } as const;

/** What the dispatcher needs of its surroundings. */
export interface DispatchPort {
  /** What is on its way to a box, in order. */
  openTo(box: string): Iterable<OutboxEntry>;
  openBoxes(): string[];
  /** True while the receiver is in the roster, online, with this box, and the own connection stands. */
  isReachable(name: string, box: string): boolean;
  /** Publishes a message; settles when the broker has it. */
  publish(entry: OutboxEntry): Promise<void>;
  /** The broker has the message. */
  onPublished(entry: OutboxEntry): void;
  nowMs(): number;
  /** A number from 0 to 1, for jitter. */
  random(): number;
}

interface Flight {
  attempts: number;
  dueMs: number;
}

/**
 * Decides when each message of the outbox is published: in order, no more at a time than any broker holds, and again
 * with growing pauses while no receipt comes (topics.md, "Delivery").
 */
export class Dispatcher {
  readonly #port: DispatchPort;
  readonly #flights = new Map<string, Map<string, Flight>>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(port: DispatchPort) {
    this.#port = port;
  }

  /** Publishes what may go to a box now. Call it when something was added or settled. */
  pump(box: string): void {
    if (this.#closed) return;
    const flights = this.#flights.get(box) ?? new Map<string, Flight>();
    this.#flights.set(box, flights);
    const open = new Set<string>();
    let bytes = 0;
    for (const entry of this.#port.openTo(box)) {
      bytes += entry.sizeBytes;
      if (open.size >= windowLimits.messages || (open.size > 0 && bytes > windowLimits.bytes)) break;
      open.add(entry.envelope.id);
      if (!flights.has(entry.envelope.id) && this.#port.isReachable(entry.envelope.to, box))
        this.#publish(entry, flights);
    }
    for (const id of flights.keys()) if (!open.has(id)) flights.delete(id);
    if (flights.size === 0) this.#flights.delete(box);
    this.#schedule();
  }

  /** The connection is back, or the receiver is: what has no receipt goes out again at once. */
  resume(box?: string): void {
    for (const each of box === undefined ? this.#port.openBoxes() : [box]) {
      this.#flights.delete(each);
      this.pump(each);
    }
  }

  /** Publishes messages again that their receiver misses. */
  repeat(box: string, seqs: number[]): void {
    const flights = this.#flights.get(box);
    if (flights === undefined) return;
    const wanted = new Set(seqs);
    for (const entry of this.#port.openTo(box)) {
      if (wanted.has(entry.envelope.seq) && flights.has(entry.envelope.id)) this.#publish(entry, flights);
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#flights.clear();
  }

  #publish(entry: OutboxEntry, flights: Map<string, Flight>): void {
    const attempts = (flights.get(entry.envelope.id)?.attempts ?? 0) + 1;
    const pause = Math.min(repeatPauses.longestMs, repeatPauses.firstMs * 2 ** (attempts - 1));
    flights.set(entry.envelope.id, { attempts, dueMs: this.#port.nowMs() + pause * (0.8 + 0.4 * this.#port.random()) });
    this.#port.publish(entry).then(
      () => {
        if (!this.#closed) this.#port.onPublished(entry);
      },
      // The connection ended before the broker answered: `resume` publishes it again when it is back.
      () => undefined,
    );
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    let next = Number.POSITIVE_INFINITY;
    for (const flights of this.#flights.values())
      for (const { dueMs } of flights.values()) next = Math.min(next, dueMs);
    if (next === Number.POSITIVE_INFINITY || this.#closed) return;
    this.#timer = setTimeout(() => this.#repeatDue(), Math.max(0, next - this.#port.nowMs()));
    this.#timer.unref();
  }

  #repeatDue(): void {
    const nowMs = this.#port.nowMs();
    for (const [box, flights] of this.#flights) {
      for (const entry of this.#port.openTo(box)) {
        const flight = flights.get(entry.envelope.id);
        if (flight === undefined || flight.dueMs > nowMs) continue;
        if (this.#port.isReachable(entry.envelope.to, box)) this.#publish(entry, flights);
        else flights.delete(entry.envelope.id);
      }
    }
    this.#schedule();
  }
}
