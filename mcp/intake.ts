import type { RequestId } from "@modelcontextprotocol/server";
import type { Chain } from "../peer/chain.ts";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import { decide } from "../peer/preferences.ts";
import { isPilinkError, PilinkError } from "../protocol/errors.ts";
import { bodyText } from "../protocol/frame.ts";
import { newId } from "../protocol/ids.ts";
import { cutOff, describeHeld, describeLeft, describeTaken, frameEntry } from "./message-text.ts";
import type { Seated } from "./seat.ts";

// A client that lives on this long after an answer has taken it: its model reads it, or has read it.
const takenMs = 5_000;
// Requests that were given up before their answer was made; more than a client has open at once.
const cancelledLimit = 1_000;

/** The unread messages. */
export interface Sorted {
  /** Those that a model is given. */
  given: InboxEntry[];
  /** Those that wait for its person. */
  held: InboxEntry[];
}

interface Batch {
  peer: Peer;
  entries: readonly InboxEntry[];
  session: string;
  isAnswered: boolean;
  timer?: NodeJS.Timeout;
}

/**
 * Gives messages to the model of a client. A message in an answer is `injected`. It is `seen` once the client has
 * proved that it took the answer: by anything that it sends after it, a signal to end among that, or by living on for
 * 5 s. Where it gives the request up instead, or ends before that, the message is unread again: rather twice than
 * never.
 */
export class Intake {
  readonly #chain: Chain;
  readonly #onReleased: () => void;
  readonly #batches = new Map<RequestId, Batch>();
  readonly #cancelled = new Set<RequestId>();
  // Where the disk is full, the file does not say what was given out; a model would get it with every call.
  readonly #had = new Set<string>();
  readonly #left: { peer: Peer; entries: InboxEntry[] }[] = [];

  /**
   * @param chain is told of each message that a model is given
   * @param onReleased called when messages are unread again
   */
  constructor(chain: Chain, onReleased: () => void) {
    this.#chain = chain;
    this.#onReleased = onReleased;
  }

  /** The unread messages, by whether a model is given them. */
  sort(seated: Seated): Sorted {
    const sorted: Sorted = { given: [], held: [] };
    for (const entry of seated.peer.unread()) {
      if (!this.#had.has(entry.id)) (isHeld(seated, entry) ? sorted.held : sorted.given).push(entry);
    }
    return sorted;
  }

  /**
   * Takes what waits, as much as one answer holds.
   *
   * @param request the request that the answer is for
   */
  takeWaiting(request: RequestId, seated: Seated): string {
    const entries = cutOff(this.sort(seated).given);
    this.#take(request, seated.peer, entries);
    return describeTaken(seated.peer, entries, this.sort(seated));
  }

  /** Keeps what nobody took of a network that has ended: its senders were told that it was received. */
  keepLeft(seated: Seated): void {
    const entries = this.sort(seated).given;
    if (entries.length > 0) this.#left.push({ peer: seated.peer, entries });
  }

  /**
   * Takes what was kept of networks that have ended, of one at a time.
   *
   * @returns undefined where there is none
   */
  takeLeft(request: RequestId): string | undefined {
    const [left] = this.#left;
    if (left === undefined) return undefined;
    const { peer } = left;
    const entries = cutOff(left.entries);
    this.#take(request, peer, entries);
    left.entries.splice(0, entries.length);
    if (left.entries.length === 0) this.#left.shift();
    return describeLeft(peer.network, entries);
  }

  /**
   * Takes what is held for the person, who has agreed: what the model sends on it is the person's doing (hazard 15).
   */
  takeHeld(request: RequestId, seated: Seated): string {
    const entries = cutOff(this.sort(seated).held);
    this.#take(request, seated.peer, entries);
    this.#chain.restart();
    return describeTaken(seated.peer, entries, this.sort(seated));
  }

  /**
   * Reads one message, again or further.
   *
   * @param offset where to begin in its text, in characters
   * @throws PilinkError `bad-argument` where there is none of that id, where its person has not agreed to it, or where
   *   it is shorter
   */
  takeOne(request: RequestId, seated: Seated, id: string, offset: number): string {
    const { peer } = seated;
    const entry = peer.inbox().find((each) => each.id === id);
    if (entry === undefined) {
      throw new PilinkError("bad-argument", `No message ${id} arrived in the network "${peer.network}".`, {
        value: id,
      });
    }
    if (this.sort(seated).held.includes(entry))
      throw new PilinkError("bad-argument", describeHeld([entry]), { value: id });
    const { length } = bodyText(entry.body);
    if (offset >= length && offset > 0) {
      throw new PilinkError("bad-argument", `Message ${id} has ${length} characters; ${offset} is past its end.`, {
        value: offset,
      });
    }
    if (entry.state === "unread") this.#take(request, peer, [entry]);
    return frameEntry(peer.network, entry, offset);
  }

  /** Notes that a model may have read messages in another way than by a request of their own. */
  noteShown(entries: readonly InboxEntry[]): void {
    for (const entry of entries) this.#chain.note(entry);
  }

  /** The client gave a request up. */
  cancel(request: RequestId): void {
    const batch = this.#batches.get(request);
    if (batch !== undefined) {
      this.#release(request, batch);
      return;
    }
    this.#cancelled.add(request);
    const [oldest] = this.#cancelled;
    if (this.#cancelled.size > cancelledLimit && oldest !== undefined) this.#cancelled.delete(oldest);
  }

  /** The answer to a request is on its way to the client. */
  noteAnswered(request: RequestId): void {
    const batch = this.#batches.get(request);
    if (batch === undefined) return;
    batch.isAnswered = true;
    batch.timer = setTimeout(() => this.#see(request, batch), takenMs).unref();
  }

  /** The client sent something: it has read what was written before. */
  noteClient(): void {
    for (const [request, batch] of this.#batches) if (batch.isAnswered) this.#see(request, batch);
  }

  /** The client is gone; what it has not proved to have is unread again. */
  close(): void {
    for (const [request, batch] of this.#batches) this.#release(request, batch);
  }

  #take(request: RequestId, peer: Peer, entries: readonly InboxEntry[]): void {
    if (this.#cancelled.delete(request)) throw new PilinkError("cancelled", "The client gave the call up.");
    if (entries.length === 0) return;
    for (const entry of entries) {
      this.#chain.note(entry);
      this.#had.add(entry.id);
    }
    const batch = { peer, entries, session: `mcp-${newId()}`, isAnswered: false };
    if (!isOver(peer)) peer.markInjected(idsOf(entries), batch.session);
    this.#batches.set(request, batch);
  }

  #see(request: RequestId, { peer, entries, timer }: Batch): void {
    clearTimeout(timer);
    this.#batches.delete(request);
    if (!isOver(peer)) peer.markSeen(idsOf(entries));
  }

  #release(request: RequestId, { peer, entries, session, timer }: Batch): void {
    clearTimeout(timer);
    this.#batches.delete(request);
    for (const { id } of entries) this.#had.delete(id);
    if (isOver(peer)) this.#left.unshift({ peer, entries: [...entries] });
    else {
      try {
        peer.releaseSession(session);
      } catch (error) {
        // A full disk: the peer says so itself, and its next life finds them unread in any case.
        if (!isPilinkError(error)) throw error;
      }
    }
    this.#onReleased();
  }
}

function idsOf(entries: readonly InboxEntry[]): string[] {
  return entries.map(({ id }) => id);
}

/** True once a peer has no files to write to any more. */
function isOver({ state }: Peer): boolean {
  return state === "closed" || state === "left";
}

/** True for a message that waits for the person. */
export function isHeld({ peer, preferences }: Seated, entry: InboxEntry): boolean {
  return decide(preferences, peer.network, entry).delivery === "hold";
}
