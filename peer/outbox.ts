import { z } from "zod";
import { type Envelope, encodeEnvelope, envelopeSchema, restateEnvelope } from "../protocol/envelope.ts";
import { PilinkError } from "../protocol/errors.ts";
import { byteLengthOf } from "../protocol/json.ts";
import { advanceState, isSettled, type MessageState, messageStates } from "../protocol/receipt.ts";
import type { Journal, OpenedJournal } from "../store/journal.ts";
import type { SentEntry } from "./peer.ts";

/** One line of `outbox.jsonl`. */
export const outboxLineSchema = z.discriminatedUnion("op", [
  z.object({ op: z.literal("out"), envelope: envelopeSchema }),
  z.object({
    op: z.literal("state"),
    id: z.string(),
    state: z.enum(messageStates),
    reason: z.string().optional(),
  }),
]);
type OutboxLine = z.infer<typeof outboxLineSchema>;

/** The most messages that may wait for their receivers, and the most bytes of them. */
export const outboxLimits = { messages: 10_000, bytes: 64 * 1024 * 1024 } as const;

/** A message on its way. */
export interface OutboxEntry {
  envelope: Envelope;
  sizeBytes: number;
  state: MessageState;
  reason: string | undefined;
}

/**
 * The durable list of what this peer sent in one instance. A message is in it from before it is published
 * until its receiver has it (topics.md, "Delivery").
 */
export class Outbox {
  readonly #journal: Journal<OutboxLine>;
  readonly #entries = new Map<string, OutboxEntry>();
  readonly #open = new Map<string, Map<number, OutboxEntry>>();
  readonly #lastSeq = new Map<string, number>();
  #openCount = 0;
  #openBytes = 0;
  // Most messages are published right after they were written; the text of all that wait would be too much to keep.
  #newest: { id: string; base: number; text: string } | undefined;

  /**
   * @param opened the outbox file of this instance
   * @param seqs the last `seq` used for each receiver's box before this instance
   */
  constructor(opened: OpenedJournal<OutboxLine>, seqs: ReadonlyMap<string, number>) {
    this.#journal = opened.journal;
    for (const [box, seq] of seqs) this.#lastSeq.set(box, seq);
    for (const line of opened.lines) {
      if (line.op === "out") this.#hold(line.envelope, byteLengthOf(JSON.stringify(line.envelope)));
      else this.#apply(line.id, line.state, line.reason);
    }
  }

  /**
   * Writes a message to the file with the next `seq` for its receiver's box.
   *
   * @param draft the envelope without its place in the order
   * @throws PilinkError `too-big`, `bad-payload`, `outbox-full`, `state-unusable`; then it was not taken
   */
  add(draft: Omit<Envelope, "seq" | "base">): OutboxEntry {
    const seq = (this.#lastSeq.get(draft.toBox) ?? 0) + 1;
    const envelope: Envelope = { ...draft, seq, base: this.baseOf(draft.toBox) ?? seq };
    // `base` is written anew at each publishing, and grows up to `seq`: the message must still fit then.
    const longest = encodeEnvelope({ ...envelope, base: seq });
    const sizeBytes = byteLengthOf(longest);
    if (this.#openCount >= outboxLimits.messages || this.#openBytes + sizeBytes > outboxLimits.bytes) {
      throw new PilinkError(
        "outbox-full",
        `${this.#openCount} messages (${this.#openBytes} bytes) already wait for their receivers; ${outboxLimits.messages} messages or ${outboxLimits.bytes} bytes are the limit. Wait until they are received.`,
        { value: this.#openCount },
      );
    }
    const text = envelope.base === seq ? longest : restateEnvelope(envelope, envelope.base);
    this.#journal.appendText(`{"op":"out","envelope":${text}}`);
    this.#newest = { id: envelope.id, base: envelope.base, text };
    return this.#hold(envelope, sizeBytes);
  }

  /** The text to publish for a message of this outbox, with the `base` of now ([DEL-13] in topics.md). */
  textOf({ envelope }: OutboxEntry): string {
    // What was settled since it was written need not be waited for any more.
    const base = this.baseOf(envelope.toBox) ?? envelope.base;
    const { id, base: written, text } = this.#newest ?? {};
    return id === envelope.id && written === base && text !== undefined ? text : restateEnvelope(envelope, base);
  }

  get(id: string): OutboxEntry | undefined {
    return this.#entries.get(id);
  }

  /** The lowest `seq` towards a box that is not settled. */
  baseOf(box: string): number | undefined {
    const open = this.#open.get(box);
    // Entries are held in the order of their `seq`: the first key is the lowest.
    return open === undefined ? undefined : open.keys().next().value;
  }

  /** What is on its way to a box, in order. Not a copy: with 10,000 messages waiting one for each step would be felt. */
  openTo(box: string): Iterable<OutboxEntry> {
    return this.#open.get(box)?.values() ?? [];
  }

  /** What is on its way to a box from that `seq` on, in order. Getting there costs nothing for those before it. */
  *openFrom(box: string, seq: number): Iterable<OutboxEntry> {
    const last = this.#lastSeq.get(box) ?? 0;
    for (let next = Math.max(seq, this.baseOf(box) ?? last + 1); next <= last; next += 1) {
      const entry = this.#open.get(box)?.get(next);
      if (entry !== undefined) yield entry;
    }
  }

  /** The boxes that something is on its way to. */
  openBoxes(): string[] {
    return [...this.#open.keys()];
  }

  /** How many messages are on their way. */
  get openCount(): number {
    return this.#openCount;
  }

  /**
   * Moves a message forward. A crash of the process may forget it: then the message goes out again, and its receiver,
   * which has it, says so again.
   *
   * @returns the entry if its state changed
   */
  move(id: string, state: MessageState, reason?: string): OutboxEntry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || advanceState(entry.state, state) === entry.state) return undefined;
    this.#journal.note({ op: "state", id, state, ...(reason === undefined ? {} : { reason }) });
    return this.#apply(id, state, reason);
  }

  /** Everything that was sent, the oldest first. */
  sent(): SentEntry[] {
    return [...this.#entries.values()].map(describeEntry);
  }

  /** Waits until a crash of the machine cannot take back what was added. */
  flush(): Promise<void> {
    return this.#journal.flush();
  }

  close(): void {
    this.#journal.close();
  }

  #hold(envelope: Envelope, sizeBytes: number): OutboxEntry {
    const entry: OutboxEntry = { envelope, sizeBytes, state: "queued", reason: undefined };
    this.#entries.set(envelope.id, entry);
    this.#lastSeq.set(envelope.toBox, Math.max(envelope.seq, this.#lastSeq.get(envelope.toBox) ?? 0));
    const open = this.#open.get(envelope.toBox) ?? new Map<number, OutboxEntry>();
    this.#open.set(envelope.toBox, open);
    open.set(envelope.seq, entry);
    this.#openCount += 1;
    this.#openBytes += entry.sizeBytes;
    return entry;
  }

  #apply(id: string, state: MessageState, reason: string | undefined): OutboxEntry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    entry.state = state;
    entry.reason = reason;
    if (isSettled(state)) this.#release(entry);
    return entry;
  }

  #release(entry: OutboxEntry): void {
    const { toBox, seq } = entry.envelope;
    const open = this.#open.get(toBox);
    if (open?.delete(seq) !== true) return;
    this.#openCount -= 1;
    this.#openBytes -= entry.sizeBytes;
    if (open.size === 0) this.#open.delete(toBox);
  }
}

/** What a person may know of an entry. */
export function describeEntry(entry: OutboxEntry): SentEntry {
  const { id, to, body, re, at } = entry.envelope;
  return { id, to, body, re, atMs: at, state: entry.state, reason: entry.reason };
}
