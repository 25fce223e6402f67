import type { OutboxEntry } from "./outbox.ts";

/** The most unsettled messages, and bytes of them, that are on their way to one receiver at a time. Brokers drop what exceeds their queues without a word (Mosquitto: 1,000 messages). */
export const windowLimits = { messages: 64, bytes: 8 * 1024 * 1024 } as const;

/** The pause before a message without a receipt is published again: the first, and the longest, in milliseconds. */
export const repeatPauses = { firstMs: 2_000, longestMs: 60_000 } as const;

/** What the dispatcher needs of its surroundings. */
export interface DispatchPort {
  /** What is on its way to a box from that `seq` on, in order. */
  openFrom(box: string, seq: number): Iterable<OutboxEntry>;
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
  entry: OutboxEntry;
  attempts: number;
  dueMs: number;
}

/** What was published to one box and is not settled. Each step costs the same, however many wait behind it. */
interface Lane {
  flights: Map<string, Flight>;
  sizeBytes: number;
  nextSeq: number;
}

/**
 * Decides when each message of the outbox is published: in order, no more at a time than any broker holds, and again
 * with growing pauses while no receipt comes (topics.md, "Delivery").
 */
export class Dispatcher {
  readonly #port: DispatchPort;
  readonly #lanes = new Map<string, Lane>();
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(port: DispatchPort) {
    this.#port = port;
  }

  /** Publishes what may go to a box now. Call it when something was added. */
  pump(box: string): void {
    if (this.#closed) return;
    const lane = this.#lanes.get(box) ?? { flights: new Map(), sizeBytes: 0, nextSeq: 0 };
    this.#lanes.set(box, lane);
    for (const entry of this.#port.openFrom(box, lane.nextSeq)) {
      if (lane.flights.size >= windowLimits.messages) break;
      if (lane.flights.size > 0 && lane.sizeBytes + entry.sizeBytes > windowLimits.bytes) break;
      // Who is away is tried again from the first one on when they are back.
      lane.nextSeq = entry.envelope.seq + 1;
      if (this.#port.isReachable(entry.envelope.to, box)) this.#publish(entry, lane);
    }
  }

  /** A message is settled: the next may go. */
  settle(entry: OutboxEntry): void {
    const box = entry.envelope.toBox;
    const lane = this.#lanes.get(box);
    if (lane !== undefined) land(lane, entry);
    this.pump(box);
    const isQuiet = lane?.flights.size === 0 && [...this.#lanes.values()].every(({ flights }) => flights.size === 0);
    if (isQuiet) this.#wakeAt(Number.POSITIVE_INFINITY);
  }

  /** The connection is back, or the receiver is: what has no receipt goes out again at once. */
  resume(box?: string): void {
    for (const each of box === undefined ? this.#port.openBoxes() : [box]) {
      this.#lanes.delete(each);
      this.pump(each);
    }
  }

  /** Publishes messages again that their receiver misses. */
  repeat(box: string, seqs: number[]): void {
    const lane = this.#lanes.get(box);
    if (lane === undefined) return;
    const wanted = new Set(seqs);
    for (const { entry } of lane.flights.values()) {
      if (wanted.has(entry.envelope.seq)) this.#publish(entry, lane);
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#lanes.clear();
  }

  #publish(entry: OutboxEntry, lane: Lane): void {
    const { id } = entry.envelope;
    const former = lane.flights.get(id);
    if (former === undefined) lane.sizeBytes += entry.sizeBytes;
    const attempts = (former?.attempts ?? 0) + 1;
    const pause = Math.min(repeatPauses.longestMs, repeatPauses.firstMs * 2 ** (attempts - 1));
    const dueMs = this.#port.nowMs() + pause * (0.8 + 0.4 * this.#port.random());
    lane.flights.set(id, { entry, attempts, dueMs });
    const published = this.#port.publish(entry);
    if (dueMs < this.#timerDueMs) this.#wakeAt(dueMs);
    published.then(
      () => {
        if (!this.#closed) this.#port.onPublished(entry);
      },
      // The connection ended before the broker answered: `resume` publishes it again when it is back.
      () => undefined,
    );
  }

  #wakeAt(dueMs: number): void {
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#repeatDue(), Math.max(0, dueMs - this.#port.nowMs()));
    this.#timer.unref();
  }

  #repeatDue(): void {
    if (this.#closed) return;
    const nowMs = this.#port.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    // While it goes on, what is published anew moves no timer.
    this.#timerDueMs = Number.NEGATIVE_INFINITY;
    for (const [box, lane] of this.#lanes) {
      for (const { entry, dueMs } of [...lane.flights.values()]) {
        if (dueMs <= nowMs) {
          if (this.#port.isReachable(entry.envelope.to, box)) this.#publish(entry, lane);
          else land(lane, entry);
        }
        nextMs = Math.min(nextMs, lane.flights.get(entry.envelope.id)?.dueMs ?? nextMs);
      }
    }
    this.#wakeAt(nextMs);
  }
}

function land(lane: Lane, entry: OutboxEntry): void {
  if (lane.flights.delete(entry.envelope.id)) lane.sizeBytes -= entry.sizeBytes;
}
