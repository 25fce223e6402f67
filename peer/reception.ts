import type { Envelope, InboxPayload } from "../protocol/envelope.ts";
import { PilinkError, quoteValue } from "../protocol/errors.ts";
import { protocolVersion } from "../protocol/version.ts";
import type { Audit } from "./audit.ts";
import { forgedPayload, inboxFull, staleInstance, unverifiedMessage } from "./doubt.ts";
import type { Identity } from "./identity.ts";
import type { Accepted, Inbox } from "./inbox.ts";
import type { InboxEntry } from "./peer.ts";
import { Receipts } from "./receipts.ts";
import type { Roster } from "./roster.ts";
import type { Wire } from "./wire.ts";

/** How long a message waits for an earlier one of its sender, in milliseconds (hazard 7). */
export const gapLimitMs = 10_000;

// Each message behind a gap would ask for the same ones again.
const missingPauseMs = 1_000;

/** What the reception needs of its surroundings. */
export interface ReceptionPort {
  identity: Identity;
  wire: Wire;
  roster: Roster;
  inbox: Inbox;
  audit: Audit;
  acceptUnverified: boolean;
  /** True where the person takes no messages from that sender. */
  isBlocked(from: string): boolean;
  /** The clock of the network, in milliseconds. */
  networkNowMs(): number;
  onMessage(entry: InboxEntry): void;
  /** Called for each message that was not taken because the inbox is full. */
  onFull(error: PilinkError): void;
  onDiskFault(error: unknown): void;
}

/** The messages that arrive: checked, written down, put in order, acknowledged (topics.md, "Delivery"). */
export class Reception {
  readonly #port: ReceptionPort;
  readonly #gapTimers = new Map<string, NodeJS.Timeout>();
  // What came before the records of who is here.
  readonly #early = new Set<string>();
  #onEarlyKnown: (() => void) | undefined;
  #isSettled = false;
  readonly #askedMs = new Map<string, number>();
  readonly #receipts: Receipts;

  constructor(port: ReceptionPort) {
    this.#port = port;
    this.#receipts = new Receipts(port);
    for (const box of port.inbox.waitingBoxes()) this.#startGapTimer(box);
  }

  /** Looks again for the senders of what came before the records of who is here. */
  recheckEarly(): void {
    for (const id of this.#early) {
      const { from, fromEpoch, fromBox } = this.#port.inbox.get(id)?.envelope ?? {};
      if (typeof from !== "string" || typeof fromEpoch !== "string" || typeof fromBox !== "string") continue;
      if (this.#port.roster.recall(from, fromEpoch, fromBox) === undefined) continue;
      this.#early.delete(id);
      try {
        this.#port.inbox.verify(id);
      } catch (error) {
        this.#port.onDiskFault(error);
      }
    }
    if (this.#early.size === 0) this.#onEarlyKnown?.();
  }

  /**
   * A broker delivers what it kept for this peer before the records of who is here: waits until the senders are known.
   *
   * @param limitMs then the rest is from nobody that is known
   */
  async settleEarly(limitMs: number): Promise<void> {
    if (this.#early.size > 0) {
      const over = Promise.withResolvers<void>();
      const timer = setTimeout(over.resolve, limitMs);
      this.#onEarlyKnown = over.resolve;
      await over.promise;
      clearTimeout(timer);
    }
    this.#isSettled = true;
    this.#early.clear();
  }

  /** Takes a payload from the own inbox. @throws PilinkError the reason to reject it */
  receive(payload: InboxPayload): void {
    const verified = payload.kind === "envelope" ? this.#checkEnvelope(payload.envelope) : this.#checkByHand(payload);
    const { inbox, networkNowMs } = this.#port;
    const nowMs = networkNowMs();
    const refusal = payload.kind === "envelope" ? this.#refuse(payload.envelope, nowMs) : undefined;
    if (payload.kind === "envelope" && refusal !== undefined) {
      const { id, from } = payload.envelope;
      this.#port.audit.noteIn(id, verified, payload);
      this.#port.audit.noteState("in", id, from, refusal.state, refusal.reason);
      this.#receipts.publish(from, id, refusal.state, refusal.reason);
      this.#skip(payload.envelope);
      return;
    }
    let accepted: Accepted;
    try {
      accepted = inbox.accept(payload, verified, nowMs);
    } catch (error) {
      // Not a fault of the payload: without a receipt its sender keeps it, and sends it again.
      this.#port.onDiskFault(error);
      return;
    }
    if (accepted.kind === "full") {
      this.#refuseForRoom(payload);
      return;
    }
    if (accepted.kind === "new" && payload.kind === "envelope" && !verified && !this.#isSettled) {
      this.#early.add(accepted.id);
    }
    if (accepted.kind === "new") this.#port.audit.noteIn(accepted.id, verified, payload);
    if (payload.kind === "envelope") this.#acknowledge(payload.envelope, accepted);
    if (accepted.kind === "new") for (const entry of accepted.released) this.#port.onMessage(entry);
  }

  /** @throws PilinkError `inbox-full` for what was published by hand: nobody keeps it */
  #refuseForRoom(payload: InboxPayload): void {
    const full = inboxFull(this.#port.inbox.unreadCount);
    if (payload.kind === "by-hand") throw full;
    // Without a receipt its sender keeps it, and publishes it again.
    this.#port.onFull(full);
  }

  #skip(envelope: Envelope): void {
    try {
      for (const entry of this.#port.inbox.skip(envelope)) this.#port.onMessage(entry);
    } catch (error) {
      this.#port.onDiskFault(error);
    }
  }

  /** The connection is back: receipts that it took with it go out again. */
  resume(): void {
    this.#receipts.resume();
  }

  /** Moves messages forward, and tells their senders. */
  mark(ids: string[], state: "injected" | "seen" | "replied", session?: string): void {
    // Each for itself: what is not on disk is not stated to its sender, and holds up no other.
    for (const id of ids) {
      try {
        for (const entry of this.#port.inbox.mark([id], state, session)) {
          this.#port.audit.noteState("in", id, entry.from, state);
          const { fromEpoch, fromBox, from } = entry.envelope;
          const isPeer = typeof fromEpoch === "string" && typeof fromBox === "string" && typeof from === "string";
          if (isPeer) this.#receipts.restate(from, id, state);
        }
      } catch (error) {
        this.#port.onDiskFault(error);
      }
    }
  }

  /** The session has ended; see `Peer.releaseSession`. */
  releaseSession(session: string): InboxEntry[] {
    const released = this.#port.inbox.releaseSession(session);
    for (const entry of released) this.#port.audit.noteState("in", entry.id, entry.from, "unread");
    return released;
  }

  /** Notes what the person did with messages. */
  markAttention(ids: string[], attention: "read" | "cleared"): void {
    try {
      this.#port.inbox.markAttention(ids, attention);
    } catch (error) {
      this.#port.onDiskFault(error);
    }
  }

  close(): void {
    for (const timer of this.#gapTimers.values()) clearTimeout(timer);
    this.#gapTimers.clear();
    this.#receipts.close();
    this.#port.inbox.close();
  }

  #checkEnvelope(envelope: Envelope): boolean {
    const { net, name, box, epoch } = this.#port.identity;
    if (envelope.net !== net) throw staleInstance("message", envelope.net);
    if (envelope.to !== name) throw forgedPayload(`a message to ${quoteValue(envelope.to)} on the inbox of "${name}"`);
    if (envelope.toBox !== box) {
      throw new PilinkError(
        "bad-payload",
        `A message was meant for an earlier peer of the name "${name}", on another machine or in another folder.`,
      );
    }
    if (envelope.from === name || envelope.fromBox === box || envelope.fromEpoch === epoch) {
      throw forgedPayload(`a message that claims to come from this peer, "${name}", itself`);
    }
    this.#port.roster.confirm(envelope.from, envelope.fromEpoch);
    const known = this.#port.roster.recall(envelope.from, envelope.fromEpoch, envelope.fromBox) !== undefined;
    if (!known && !this.#port.acceptUnverified) throw unverifiedMessage();
    return known;
  }

  /** Why a message is not taken, where it is not. What was taken before stays taken. */
  #refuse(envelope: Envelope, nowMs: number): { state: "expired" | "denied"; reason: string } | undefined {
    if (this.#port.inbox.get(envelope.id) !== undefined) return undefined;
    if (isOver(envelope, nowMs)) return { state: "expired", reason: "its time to live was over" };
    if (!this.#port.isBlocked(envelope.from)) return undefined;
    return { state: "denied", reason: `the user of "${this.#port.identity.name}" takes no messages from this agent` };
  }

  #checkByHand(payload: Extract<InboxPayload, { kind: "by-hand" }>): false {
    const { name, net } = this.#port.identity;
    if (!this.#port.acceptUnverified) throw unverifiedMessage();
    if (payload.message.from === name)
      throw forgedPayload(`a message that claims to come from this peer, "${name}", itself`);
    if (payload.message.from !== undefined && this.#port.isBlocked(payload.message.from)) {
      throw new PilinkError(
        "blocked",
        `A message that claims to be from ${quoteValue(payload.message.from)} was not taken: its sender is blocked.`,
        {
          value: payload.message.from,
        },
      );
    }
    if (payload.message.net !== undefined && payload.message.net !== net)
      throw staleInstance("message", payload.message.net);
    return false;
  }

  #acknowledge(envelope: Envelope, accepted: Exclude<Accepted, { kind: "full" }>): void {
    const id = accepted.kind === "new" ? accepted.id : accepted.entry.id;
    this.#receipts.acknowledge(envelope.from, id);
    if (accepted.kind === "duplicate") return;
    if (accepted.missing.length === 0) {
      clearTimeout(this.#gapTimers.get(envelope.fromBox));
      this.#gapTimers.delete(envelope.fromBox);
      return;
    }
    this.#startGapTimer(envelope.fromBox);
    const nowMs = performance.now();
    if (nowMs - (this.#askedMs.get(envelope.fromBox) ?? Number.NEGATIVE_INFINITY) < missingPauseMs) return;
    this.#askedMs.set(envelope.fromBox, nowMs);
    const { name, epoch, net, box } = this.#port.identity;
    const request = {
      v: protocolVersion,
      type: "missing",
      from: name,
      epoch,
      net,
      box,
      seqs: accepted.missing,
    } as const;
    // If the connection ends first, the sender publishes everything again when it is back.
    this.#port.wire.publishControl(envelope.from, request).catch(() => undefined);
  }

  #startGapTimer(box: string): void {
    if (this.#gapTimers.has(box)) return;
    const timer = setTimeout(() => {
      this.#gapTimers.delete(box);
      try {
        for (const entry of this.#port.inbox.giveUp(box)) this.#port.onMessage(entry);
      } catch (error) {
        this.#port.onDiskFault(error);
        this.#startGapTimer(box);
      }
    }, gapLimitMs);
    timer.unref();
    this.#gapTimers.set(box, timer);
  }
}

function isOver({ ttl, at }: Envelope, nowMs: number): boolean {
  return ttl !== undefined && nowMs - at > ttl;
}
