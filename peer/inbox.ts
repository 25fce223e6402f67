import { z } from "zod";
import type { ByHand, Envelope, InboxPayload } from "../protocol/envelope.ts";
import { idSchema, newId } from "../protocol/ids.ts";
import type { Json } from "../protocol/json.ts";
import type { Journal, OpenedJournal } from "../store/journal.ts";
import { PairOrder } from "./order.ts";
import type { InboxEntry } from "./peer.ts";
import { inboxLimits, Room } from "./room.ts";

const readerStates = ["unread", "injected", "seen", "replied"] as const;
const jsonSchema = z.custom<Json>((value) => value !== undefined);
const envelopeJson = z.record(z.string(), jsonSchema);

/** One line of `inbox.jsonl`. */
export const inboxLineSchema = z.discriminatedUnion("op", [
  z.object({
    op: z.literal("in"),
    id: idSchema,
    verified: z.boolean(),
    arrived: z.int(),
    from: z.string().optional(),
    fromBox: z.string().optional(),
    seq: z.int().optional(),
    base: z.int().optional(),
    type: z.string(),
    re: z.string().nullable(),
    at: z.int(),
    trace: z.string(),
    hops: z.int(),
    envelope: envelopeJson,
  }),
  // Later ones of the same sender were let through although this sender's earlier ones had not come.
  z.object({ op: z.literal("passed"), fromBox: z.string() }),
  // One that was not taken came: later ones of its sender need not wait for it, also not after a restart.
  z.object({ op: z.literal("skipped"), fromBox: z.string(), seq: z.int(), base: z.int() }),
  // Its sender's record came later than the message itself.
  z.object({ op: z.literal("verified"), id: idSchema }),
  z.object({ op: z.literal("attention"), id: idSchema, attention: z.enum(["read", "cleared"]) }),
  z.object({
    op: z.literal("state"),
    id: idSchema,
    state: z.enum(readerStates),
    session: z.string().optional(),
  }),
]);
type InboxLine = z.infer<typeof inboxLineSchema>;
type InLine = Extract<InboxLine, { op: "in" }>;

/** What accepting a payload gave. */
export type Accepted =
  | { kind: "duplicate"; entry: InboxEntry }
  | { kind: "full" }
  | { kind: "new"; id: string; released: InboxEntry[]; missing: number[] };

/** The durable list of the messages of one instance for this peer: each once, in the order of each sender. */
export class Inbox {
  readonly #journal: Journal<InboxLine>;
  readonly #held = new Map<string, InboxEntry>();
  readonly #orders = new Map<string, PairOrder<InboxEntry>>();
  readonly #released: InboxEntry[] = [];
  #isClosed = false;
  // A view of the released ones: with thousands of messages a search at each one would be felt.
  #unread = new Set<InboxEntry>();
  readonly #room: Room;

  /**
   * @param opened the inbox file of this instance
   * @param limits {@link inboxLimits} unless told otherwise
   */
  constructor(opened: OpenedJournal<InboxLine>, limits = inboxLimits) {
    this.#journal = opened.journal;
    this.#room = new Room(limits);
    for (const line of opened.lines) this.#replay(line);
    // The session that had taken them ended together with the life before this one (hazard 13).
    const injected = [...this.#held.values()].filter(({ state }) => state === "injected");
    this.#setStates(injected, () => ({ state: "unread", session: undefined }));
    this.#findUnread();
  }

  /**
   * Writes a message to the file, unless it is there already, or there is no room ([DEL-22] in topics.md).
   *
   * @param verified whether its sender is a living peer of the roster
   * @param nowMs the time of the network, in milliseconds
   * @throws PilinkError `state-unusable` where the disk does not take it; then it was not accepted
   */
  accept(payload: InboxPayload, verified: boolean, nowMs: number): Accepted {
    const message = payload.kind === "envelope" ? payload.envelope : payload.message;
    const id = message.id ?? newId();
    const held = this.#held.get(id);
    if (held !== undefined) return { kind: "duplicate", entry: held };
    if (this.isFull) return { kind: "full" };
    const line: InLine = {
      op: "in",
      id,
      verified,
      arrived: nowMs,
      from: message.from,
      type: message.type ?? "message",
      re: message.re ?? null,
      at: message.at ?? nowMs,
      trace: message.trace ?? id,
      hops: message.hops ?? 0,
      envelope: jsonOf(message),
      ...(payload.kind === "envelope" ? orderFieldsOf(payload.envelope) : {}),
    };
    this.#journal.append(line);
    return this.#take(line);
  }

  /** What may be shown, in the order in which it may be shown. */
  entries(): InboxEntry[] {
    return [...this.#released];
  }

  /** Those of them that no session has taken yet. */
  unread(): InboxEntry[] {
    return [...this.#unread];
  }

  /** How many of them no session has taken yet. */
  get unreadCount(): number {
    return this.#unread.size;
  }

  /** True while so much waits unread that nothing more is taken ([DEL-22] in topics.md). */
  get isFull(): boolean {
    return this.#room.isFull;
  }

  get(id: string): InboxEntry | undefined {
    return this.#held.get(id);
  }

  /** The boxes whose messages wait for an earlier one. */
  waitingBoxes(): string[] {
    return [...this.#orders].filter(([, order]) => order.isWaiting).map(([box]) => box);
  }

  /** Lets a sender's messages through that wait for one that did not come in time. */
  giveUp(fromBox: string): InboxEntry[] {
    const order = this.#orders.get(fromBox);
    if (order === undefined || !order.isWaiting) return [];
    this.#journal.append({ op: "passed", fromBox });
    return this.#release(order.giveUp());
  }

  /**
   * Takes note of a message that is not taken: later ones of its sender need not wait for it.
   *
   * @returns what may be shown now
   * @throws PilinkError `state-unusable` where the disk does not take it; then later ones wait as for any that is missing
   */
  skip({ fromBox, seq, base }: Envelope): InboxEntry[] {
    this.#journal.append({ op: "skipped", fromBox, seq, base });
    return this.#release(this.#orderOf(fromBox).skip(seq, base));
  }

  /**
   * Moves messages forward.
   *
   * @returns those that were not in that state yet
   * @throws PilinkError `state-unusable` where the disk does not take one; until a restart all are in that state
   */
  mark(ids: string[], state: "injected" | "seen" | "replied", session?: string): InboxEntry[] {
    const moved = [...new Set(ids)].flatMap((id) => {
      const entry = this.#held.get(id);
      return entry === undefined || readerStates.indexOf(entry.state) >= readerStates.indexOf(state) ? [] : [entry];
    });
    this.#setStates(moved, (entry) => ({ state, session: session ?? entry.session }));
    return moved;
  }

  /** Notes what the person did with messages. */
  markAttention(ids: string[], attention: "read" | "cleared"): void {
    for (const id of ids) {
      const entry = this.#held.get(id);
      if (entry === undefined || entry.attention === attention || entry.attention === "cleared") continue;
      this.#write({ op: "attention", id, attention });
      entry.attention = attention;
      this.#room.weigh(entry);
    }
  }

  /**
   * What a session took and no model has seen is unread again (hazard 13).
   *
   * @throws PilinkError `state-unusable` where the disk does not take it; it is unread all the same, also after a restart
   */
  releaseSession(session: string): InboxEntry[] {
    const released = this.#released.filter((entry) => entry.state === "injected" && entry.session === session);
    try {
      this.#setStates(released, () => ({ state: "unread", session: undefined }));
    } finally {
      this.#findUnread();
    }
    return released;
  }

  /** Waits until a crash of the machine cannot take back what was accepted. */
  flush(): Promise<void> {
    return this.#journal.flush();
  }

  /** Notes that the sender of a message is known after all. */
  verify(id: string): void {
    const entry = this.#held.get(id);
    if (entry === undefined) return;
    entry.verified = true;
    this.#write({ op: "verified", id });
  }

  close(): void {
    this.#isClosed = true;
    this.#journal.close();
  }

  /** First in memory: what a session has must not be given to it again because the disk does not take the note of it. */
  #setStates(entries: readonly InboxEntry[], next: (entry: InboxEntry) => Pick<InboxEntry, "state" | "session">): void {
    for (const entry of entries) {
      Object.assign(entry, next(entry));
      if (entry.state !== "unread") this.#unread.delete(entry);
      this.#room.weigh(entry);
    }
    for (const { id, state, session } of entries) {
      this.#write({ op: "state", id, state, ...(session === undefined ? {} : { session }) });
    }
  }

  /** What is done with a message once its network has ended is nobody's business but this session's. */
  #write(line: InboxLine): void {
    if (!this.#isClosed) this.#journal.append(line);
  }

  #findUnread(): void {
    this.#unread = new Set(this.#released.filter((entry) => entry.state === "unread"));
  }

  #release(entries: InboxEntry[]): InboxEntry[] {
    for (const entry of entries) {
      this.#released.push(entry);
      if (entry.state === "unread") this.#unread.add(entry);
      this.#room.weigh(entry);
    }
    return entries;
  }

  #orderOf(fromBox: string): PairOrder<InboxEntry> {
    const order = this.#orders.get(fromBox) ?? new PairOrder<InboxEntry>();
    this.#orders.set(fromBox, order);
    return order;
  }

  #replay(line: InboxLine): void {
    if (line.op === "in") {
      if (!this.#held.has(line.id)) this.#take(line);
    } else if (line.op === "passed") {
      this.#release(this.#orders.get(line.fromBox)?.giveUp() ?? []);
    } else if (line.op === "skipped") {
      this.#release(this.#orderOf(line.fromBox).skip(line.seq, line.base));
    } else if (line.op === "verified") {
      const entry = this.#held.get(line.id);
      if (entry !== undefined) entry.verified = true;
    } else if (line.op === "attention") {
      const entry = this.#held.get(line.id);
      if (entry === undefined) return;
      entry.attention = line.attention;
      this.#room.weigh(entry);
    } else {
      const entry = this.#held.get(line.id);
      if (entry === undefined) return;
      entry.state = line.state;
      entry.session = line.session;
      this.#room.weigh(entry);
    }
  }

  #take(line: InLine): Extract<Accepted, { kind: "new" }> {
    const entry = entryOf(line);
    this.#held.set(line.id, entry);
    if (line.fromBox === undefined || line.seq === undefined) {
      return { kind: "new", id: line.id, released: this.#release([entry]), missing: [] };
    }
    const step = this.#orderOf(line.fromBox).push(line.seq, line.base ?? line.seq, entry);
    if (step.late) entry.late = true;
    this.#release(step.released);
    return { kind: "new", id: line.id, released: step.released, missing: step.missing };
  }
}

function jsonOf(message: Envelope | ByHand): Record<string, Json> {
  const json: Record<string, Json> = {};
  for (const [key, value] of Object.entries(message)) if (value !== undefined) json[key] = value;
  return json;
}

function orderFieldsOf(envelope: Envelope): Pick<InLine, "fromBox" | "seq" | "base"> {
  return { fromBox: envelope.fromBox, seq: envelope.seq, base: envelope.base };
}

function entryOf(line: InLine): InboxEntry {
  return {
    id: line.id,
    from: line.from,
    verified: line.verified,
    late: false,
    type: line.type,
    body: line.envelope.body ?? null,
    re: line.re,
    atMs: line.at,
    trace: line.trace,
    hops: line.hops,
    state: "unread",
    attention: "new",
    session: undefined,
    envelope: line.envelope,
  };
}
