import { Chain } from "../peer/chain.ts";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { isPilinkError } from "../protocol/errors.ts";
import { byteLengthOf } from "../protocol/json.ts";

/** How much is handed out at once. */
export interface HandoutLimits {
  messages: number;
  bytes: number;
}

/** What waits for the answer to a message. */
interface Claim {
  holder: string;
  onReply: (reply: InboxEntry) => void;
}

/**
 * Where the messages of one peer are handed out to whoever asks for them: each to one, who says afterwards that it has
 * them. What its taker did not confirm is unread again (hazard 13, for takers that are killed).
 */
export class Desk {
  readonly peer: Peer;
  /** What is passed on from the messages that were handed out (hazard 15). */
  readonly chain: Chain;
  readonly #isOpen: (entry: InboxEntry) => boolean;
  readonly #held = new Map<string, string>();
  // Also where the disk is full and the file does not say so: nothing is handed out a second time in this life.
  readonly #taken = new Set<string>();
  readonly #claims = new Map<string, Claim>();
  readonly #waiting = new Set<() => void>();
  readonly #onMessage = (entry: InboxEntry) => this.#note(entry);
  readonly #onOver = () => this.#wake();

  /**
   * @param options the chain to note them in, where others give messages out too; and which may be handed out
   */
  constructor(peer: Peer, options: { chain?: Chain; isOpen?: (entry: InboxEntry) => boolean } = {}) {
    this.peer = peer;
    this.chain = options.chain ?? new Chain();
    this.#isOpen = options.isOpen ?? (() => true);
    peer.events.on("message", this.#onMessage);
    peer.events.on("closed", this.#onOver);
    peer.events.on("displaced", this.#onOver);
  }

  /** What waits to be taken, in order. */
  unread(): InboxEntry[] {
    return this.peer
      .unread()
      .filter((entry) => !this.#held.has(entry.id) && !this.#taken.has(entry.id) && this.#isOpen(entry));
  }

  /** How many messages nobody has confirmed, those that are handed out included. */
  get unconfirmed(): number {
    return this.#held.size + this.unread().length;
  }

  /** True once nothing more will come. */
  get isOver(): boolean {
    return this.peer.state === "closed" || this.peer.state === "left";
  }

  /** Hands messages out, the oldest first. @param holder who gets them */
  handOut(holder: string, limits: HandoutLimits): InboxEntry[] {
    return this.#hold(holder, cutOff(this.unread(), limits));
  }

  /** The holder has what it was given: it is taken. */
  confirm(holder: string): void {
    const ids = this.#idsOf(holder);
    for (const id of ids) {
      this.#held.delete(id);
      this.#taken.add(id);
    }
    if (!this.isOver) this.peer.markSeen(ids);
  }

  /** The holder is gone: what it did not confirm is unread again. */
  release(holder: string): void {
    for (const [id, claim] of [...this.#claims]) if (claim.holder === holder) this.#claims.delete(id);
    const ids = this.#idsOf(holder);
    for (const id of ids) this.#held.delete(id);
    if (ids.length === 0 || this.isOver) return;
    try {
      this.peer.releaseSession(holder);
    } catch (error) {
      // A full disk: the peer says so itself, and its next life finds them unread in any case.
      if (!isPilinkError(error)) throw error;
    }
    this.#wake();
  }

  /**
   * Waits for the answers to messages: each goes to who asked for it and to nobody else.
   *
   * @param ids of the messages that were sent
   * @param onReply called with each answer of a living peer; it is handed out then
   */
  claimReplies(holder: string, ids: readonly string[], onReply: (reply: InboxEntry) => void): void {
    for (const id of ids) this.#claims.set(id, { holder, onReply });
  }

  /** Waits until there may be something to take, or nothing will come any more, or the signal. */
  async untilUnread(signal: AbortSignal): Promise<void> {
    while (this.unread().length === 0 && !this.isOver && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#waiting.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        this.#waiting.add(done);
        signal.addEventListener("abort", done);
      });
    }
  }

  /** Idempotent. */
  close(): void {
    this.peer.events.off("message", this.#onMessage);
    this.peer.events.off("closed", this.#onOver);
    this.peer.events.off("displaced", this.#onOver);
    this.#wake();
  }

  #note(entry: InboxEntry): void {
    const claim = entry.verified && entry.re !== null ? this.#claims.get(entry.re) : undefined;
    if (claim === undefined || entry.re === null) {
      this.#wake();
      return;
    }
    this.#claims.delete(entry.re);
    this.#hold(claim.holder, [entry]);
    claim.onReply(entry);
  }

  #hold(holder: string, entries: InboxEntry[]): InboxEntry[] {
    for (const entry of entries) {
      this.#held.set(entry.id, holder);
      this.chain.note(entry);
    }
    if (entries.length > 0 && !this.isOver) {
      this.peer.markInjected(
        entries.map(({ id }) => id),
        holder,
      );
    }
    return entries;
  }

  #idsOf(holder: string): string[] {
    return [...this.#held].flatMap(([id, other]) => (other === holder ? [id] : []));
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

/** The first of a list that fit into limits; at least one. */
export function cutOff(entries: readonly InboxEntry[], limits: HandoutLimits): InboxEntry[] {
  const cut: InboxEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += byteLengthOf(JSON.stringify(entry.body));
    if (cut.length === limits.messages || (cut.length > 0 && bytes > limits.bytes)) break;
    cut.push(entry);
  }
  return cut;
}
