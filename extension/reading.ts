import type { InboxEntry, Peer } from "../peer/peer.ts";

/** What a message that the model sends now carries (topics.md, "Loops"). */
export interface Continuation {
  hops: number;
  trace?: string;
}

/** What the model of a session reads of other agents' messages, and what that means for those that it sends. */
export class Reading {
  #inRequest: string[] = [];
  #strongest: { hops: number; trace: string } | undefined;
  #isLoopDeclined = false;

  /** The person has spoken: what the model does from now on is the person's doing (hazard 15). */
  restart(): void {
    this.#strongest = undefined;
    this.#isLoopDeclined = false;
  }

  /** True once the person did not let a message over the limit of hops go: it is asked once, not for every try. */
  get isLoopDeclined(): boolean {
    return this.#isLoopDeclined;
  }

  /** The person did not let a message over the limit of hops go. */
  declineLoop(): void {
    this.#isLoopDeclined = true;
  }

  /**
   * A model request is about to be made.
   *
   * @param peer whose messages it may hold
   * @param ids the ids of the messages in it
   */
  noteRequest(peer: Peer, ids: readonly string[]): void {
    const present = new Set(ids);
    const fresh = peer.inbox().filter((entry) => present.has(entry.id) && isUnseen(entry));
    for (const { hops, trace } of fresh) {
      if (this.#strongest === undefined || hops > this.#strongest.hops) this.#strongest = { hops, trace };
    }
    this.#inRequest = fresh.map(({ id }) => id);
  }

  /**
   * The model has begun to answer the request, so it has read what was in it. A request alone proves nothing: a
   * later handler may still have removed a message, and the request may have failed (hazard 13).
   *
   * @returns true if messages were marked
   */
  noteAnswer(peer: Peer): boolean {
    const ids = this.#inRequest;
    this.#inRequest = [];
    if (ids.length > 0) peer.markSeen(ids);
    return ids.length > 0;
  }

  /** What a message that is sent now carries. */
  next(): Continuation {
    if (this.#strongest === undefined) return { hops: 0 };
    return { hops: this.#strongest.hops + 1, trace: this.#strongest.trace };
  }
}

/** True for a message that neither the person nor a model has read. */
export function isUnread(entry: Pick<InboxEntry, "state" | "attention">): boolean {
  return isUnseen(entry) && entry.attention === "new";
}

/** True for a message that a turn can be started on. */
export function isPending(entry: Pick<InboxEntry, "state" | "attention">): boolean {
  return isUnseen(entry) && entry.attention !== "cleared";
}

/** True for a message that no model has read yet. */
function isUnseen({ state }: Pick<InboxEntry, "state">): boolean {
  return state === "unread" || state === "injected";
}
