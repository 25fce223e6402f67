import { checkBody, type Envelope, encodeEnvelope, type InboxPayload } from "../protocol/envelope.ts";
import { messageOf, PilinkError, quoteValue } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import { parseName } from "../protocol/names.ts";
import { isSettled, type Receipt } from "../protocol/receipt.ts";
import { protocolVersion } from "../protocol/version.ts";
import { Dispatcher } from "./dispatch.ts";
import type { Identity } from "./identity.ts";
import type { Inbox } from "./inbox.ts";
import { describeEntry, type Outbox, type OutboxEntry } from "./outbox.ts";
import type { InboxEntry, Outgoing, SendOutcome, SentEntry } from "./peer.ts";
import type { Roster } from "./roster.ts";
import type { Wire } from "./wire.ts";

/** How long a message waits for an earlier one of its sender, in milliseconds (hazard 7). */
export const gapLimitMs = 10_000;

const defaultWaitMs = 5_000;
// Each message behind a gap would ask for the same ones again.
const missingPauseMs = 1_000;

/** What the mail of a peer needs of its surroundings. */
export interface MailPort {
  identity: Identity;
  wire: Wire;
  roster: Roster;
  inbox: Inbox;
  outbox: Outbox;
  acceptUnverified: boolean;
  /** True while the network is active: then messages are published. */
  isActive(): boolean;
  /** The clock of the network, in milliseconds. */
  networkNowMs(): number;
  onMessage(entry: InboxEntry): void;
  onSent(entry: SentEntry): void;
  onTrouble(error: PilinkError): void;
}

/** The messages of one peer: what it sends, what it takes in, and the receipts for both. */
export class Mail {
  readonly #port: MailPort;
  readonly #dispatcher: Dispatcher;
  readonly #waiters = new Map<string, () => void>();
  readonly #gapTimers = new Map<string, NodeJS.Timeout>();
  readonly #ttlTimers = new Set<NodeJS.Timeout>();
  readonly #askedMs = new Map<string, number>();
  #diskFaultSaid = false;

  constructor(port: MailPort) {
    this.#port = port;
    this.#dispatcher = new Dispatcher({
      openTo: (box) => port.outbox.openTo(box),
      openBoxes: () => port.outbox.openBoxes(),
      isReachable: (name, box) => this.#isReachable(name, box),
      publish: (entry) => this.#publish(entry),
      onPublished: (entry) => this.#move(entry.envelope.id, "sent"),
      nowMs: () => performance.now(),
      random: Math.random,
    });
    for (const box of port.inbox.waitingBoxes()) this.#startGapTimer(box);
    for (const box of port.outbox.openBoxes()) for (const entry of port.outbox.openTo(box)) this.#startTtl(entry);
  }

  /** Takes a payload from the own inbox. @throws PilinkError the reason to reject it */
  receive(payload: InboxPayload): void {
    const verified = payload.kind === "envelope" ? this.#checkEnvelope(payload.envelope) : this.#checkByHand(payload);
    const { inbox, networkNowMs } = this.#port;
    const nowMs = networkNowMs();
    if (
      payload.kind === "envelope" &&
      isOver(payload.envelope, nowMs) &&
      inbox.get(payload.envelope.id) === undefined
    ) {
      this.#sendReceipt(payload.envelope.from, payload.envelope.id, "expired", "its time to live was over");
      return;
    }
    let accepted: ReturnType<Inbox["accept"]>;
    try {
      accepted = inbox.accept(payload, verified, nowMs);
    } catch (error) {
      // Not a fault of the payload: without a receipt its sender keeps it, and sends it again.
      this.#reportDisk(error);
      return;
    }
    this.#diskFaultSaid = false;
    if (payload.kind === "envelope") this.#acknowledge(payload.envelope, accepted);
    if (accepted.kind === "new") for (const entry of accepted.released) this.#port.onMessage(entry);
  }

  /** Takes a receipt. @throws PilinkError the reason to reject it */
  receiveReceipt(receipt: Receipt): void {
    const entry = this.#port.outbox.get(receipt.id);
    if (receipt.net !== this.#port.identity.net) throw stale("receipt", receipt.net);
    if (entry === undefined) throw forged(`a receipt for ${quoteValue(receipt.id)}, which this peer did not send`);
    const { to, toBox } = entry.envelope;
    if (receipt.from !== to || receipt.box !== toBox) {
      throw forged(`a receipt for ${receipt.id} from ${quoteValue(receipt.from)}, which was sent to "${to}"`);
    }
    this.#port.roster.confirm(receipt.from, receipt.epoch);
    this.#move(receipt.id, receipt.state, receipt.reason);
  }

  /** A receiver misses messages of ours. */
  receiveMissing(box: string, seqs: number[]): void {
    this.#dispatcher.repeat(box, seqs);
  }

  /** Sends; see `Peer.send`. The caller has checked that the network is active. */
  async send(outgoing: Outgoing): Promise<SendOutcome[]> {
    checkBody(outgoing.body);
    const targets = this.#targetsOf(outgoing.to);
    const outcomes = targets.map((target) => this.#enqueue(target, outgoing));
    if (outgoing.re !== undefined && outgoing.re !== null && outcomes.some(({ state }) => state !== "refused")) {
      this.#mark([outgoing.re], "replied");
    }
    const waiting = outcomes.flatMap(({ id }) => (id === undefined ? [] : [id]));
    const settled = Promise.all(waiting.map((id) => this.#untilSettled(id)));
    await Promise.all([
      this.#port.outbox.flush(),
      Promise.race([settled, pause(outgoing.waitMs ?? defaultWaitMs, outgoing.signal)]),
    ]);
    for (const id of waiting) this.#waiters.delete(id);
    return outcomes.map((outcome) => this.#refresh(outcome));
  }

  /** Notes that messages were handed to a session, or that a model has seen them, and tells their senders. */
  mark(ids: string[], state: "injected" | "seen", session?: string): void {
    this.#mark(ids, state, session);
  }

  /** The connection is back: everything without a receipt goes out again. */
  resume(): void {
    this.#dispatcher.resume();
  }

  /** A peer was born, or returned: what waits for it goes out; what was for another box of that name has ended. */
  resumeTo(name: string, box: string): void {
    for (const other of this.#port.outbox.openBoxes()) {
      if (other === box) continue;
      for (const entry of this.#port.outbox.openTo(other)) {
        if (entry.envelope.to === name) this.#move(entry.envelope.id, "expired", `another peer is "${name}" now`);
      }
    }
    this.#dispatcher.resume(box);
  }

  /** The network has ended: nothing more is delivered. */
  expireAll(reason: string): void {
    for (const box of this.#port.outbox.openBoxes()) {
      for (const entry of this.#port.outbox.openTo(box)) this.#move(entry.envelope.id, "expired", reason);
    }
  }

  close(): void {
    this.#dispatcher.close();
    for (const timer of [...this.#gapTimers.values(), ...this.#ttlTimers]) clearTimeout(timer);
    for (const settle of this.#waiters.values()) settle();
    this.#port.inbox.close();
    this.#port.outbox.close();
  }

  #checkEnvelope(envelope: Envelope): boolean {
    const { net, name, box, epoch } = this.#port.identity;
    if (envelope.net !== net) throw stale("message", envelope.net);
    if (envelope.to !== name) throw forged(`a message to ${quoteValue(envelope.to)} on the inbox of "${name}"`);
    if (envelope.toBox !== box) {
      throw new PilinkError(
        "bad-payload",
        `A message was meant for an earlier peer of the name "${name}", on another machine or in another folder.`,
      );
    }
    if (envelope.from === name || envelope.fromBox === box || envelope.fromEpoch === epoch) {
      throw forged(`a message that claims to come from this peer, "${name}", itself`);
    }
    this.#port.roster.confirm(envelope.from, envelope.fromEpoch);
    const known = this.#port.roster.recall(envelope.from, envelope.fromEpoch, envelope.fromBox) !== undefined;
    if (!known && !this.#port.acceptUnverified) throw unverified();
    return known;
  }

  #checkByHand(payload: Extract<InboxPayload, { kind: "by-hand" }>): false {
    const { name, net } = this.#port.identity;
    if (!this.#port.acceptUnverified) throw unverified();
    if (payload.message.from === name) throw forged(`a message that claims to come from this peer, "${name}", itself`);
    if (payload.message.net !== undefined && payload.message.net !== net) throw stale("message", payload.message.net);
    return false;
  }

  #acknowledge(envelope: Envelope, accepted: ReturnType<Inbox["accept"]>): void {
    const { inbox } = this.#port;
    const id = accepted.kind === "new" ? accepted.id : accepted.entry.id;
    inbox.flush().then(
      () => {
        const state = inbox.get(id)?.state ?? "unread";
        this.#sendReceipt(envelope.from, id, state === "unread" ? "received" : state);
      },
      (error: unknown) => this.#reportDisk(error),
    );
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
        this.#reportDisk(error);
        this.#startGapTimer(box);
      }
    }, gapLimitMs);
    timer.unref();
    this.#gapTimers.set(box, timer);
  }

  #mark(ids: string[], state: "injected" | "seen" | "replied", session?: string): void {
    try {
      for (const entry of this.#port.inbox.mark(ids, state, session)) {
        const { fromEpoch, fromBox, from } = entry.envelope;
        if (typeof fromEpoch === "string" && typeof fromBox === "string" && typeof from === "string") {
          this.#sendReceipt(from, entry.id, state);
        }
      }
    } catch (error) {
      this.#reportDisk(error);
    }
  }

  #sendReceipt(to: string, id: string, state: Receipt["state"], reason?: string): void {
    const { net, name, epoch, box } = this.#port.identity;
    const receipt: Receipt = {
      v: protocolVersion,
      net,
      id,
      state,
      from: name,
      epoch,
      box,
      at: this.#port.networkNowMs(),
      ...(reason === undefined ? {} : { reason }),
    };
    // A receipt that is lost with the connection is sent again for the message that its sender repeats.
    this.#port.wire.publishReceipt(to, receipt).catch(() => undefined);
  }

  #targetsOf(to: string | string[]): string[] {
    const { name, network } = this.#port.identity;
    if (to !== "all") return [...new Set(typeof to === "string" ? [to] : to)];
    const others = this.#port.roster
      .all()
      .map((life) => life.name)
      .filter((other) => other !== name);
    if (others.length === 0) {
      throw new PilinkError(
        "unknown-peer",
        `Nobody but "${name}" is in the network "${network}", so there is nobody to send to.`,
      );
    }
    return others;
  }

  #enqueue(target: string, outgoing: Outgoing): SendOutcome {
    try {
      const to = parseName(target);
      const { network, name, net, epoch, box } = this.#port.identity;
      if (to === name) {
        throw new PilinkError(
          "self-target",
          `"${to}" is this agent itself. Name another one in the network "${network}".`,
          { value: to },
        );
      }
      const life = this.#port.roster.get(to);
      if (life === undefined) throw this.#unknown(to);
      const id = newId();
      const entry = this.#port.outbox.add({
        v: protocolVersion,
        id,
        net,
        from: name,
        fromEpoch: epoch,
        fromBox: box,
        to,
        toEpoch: life.presence.epoch,
        toBox: life.presence.box,
        re: outgoing.re ?? null,
        type: outgoing.type ?? "message",
        body: outgoing.body,
        at: this.#port.networkNowMs(),
        trace: outgoing.trace ?? id,
        hops: outgoing.hops ?? 0,
        ...(outgoing.ttlMs === undefined ? {} : { ttl: outgoing.ttlMs }),
      });
      this.#startTtl(entry);
      this.#dispatcher.pump(life.presence.box);
      return { to, id, state: entry.state };
    } catch (error) {
      if (!(error instanceof PilinkError) || error.code === "too-big" || error.code === "bad-payload") throw error;
      return { to: target, id: undefined, state: "refused", reason: error.message, error };
    }
  }

  #unknown(to: string): PilinkError {
    const { network, name } = this.#port.identity;
    const others = this.#port.roster
      .all()
      .map((life) => life.name)
      .filter((other) => other !== name);
    const here = others.length === 0 ? "nobody else" : others.join(", ");
    return new PilinkError("unknown-peer", `No agent "${to}" is in the network "${network}". Here are: ${here}.`, {
      value: to,
    });
  }

  #startTtl(entry: OutboxEntry): void {
    const { ttl, at, id } = entry.envelope;
    if (ttl === undefined) return;
    const leftMs = Math.max(0, at + ttl - this.#port.networkNowMs());
    // setTimeout takes no more than 31 bits of milliseconds; what lives longer than that ends with its network.
    if (leftMs > 2 ** 31 - 1) return;
    const timer = setTimeout(() => {
      this.#ttlTimers.delete(timer);
      this.#move(id, "expired", "its time to live was over before it was received");
    }, leftMs);
    timer.unref();
    this.#ttlTimers.add(timer);
  }

  #isReachable(name: string, box: string): boolean {
    const life = this.#port.roster.get(name);
    return (
      this.#port.isActive() &&
      this.#port.wire.link.connected &&
      life?.presence.state === "online" &&
      life.presence.box === box
    );
  }

  #publish(entry: OutboxEntry): Promise<void> {
    const { to, toBox } = entry.envelope;
    // What was settled since it was written need not be waited for any more.
    const base = this.#port.outbox.baseOf(toBox) ?? entry.envelope.base;
    return this.#port.wire.publishEnvelope(to, encodeEnvelope({ ...entry.envelope, base }));
  }

  #move(id: string, state: SentEntry["state"], reason?: string): void {
    try {
      const entry = this.#port.outbox.move(id, state, reason);
      if (entry === undefined) return;
      if (isSettled(state)) {
        this.#waiters.get(id)?.();
        this.#dispatcher.pump(entry.envelope.toBox);
      }
      this.#port.onSent(describeEntry(entry));
    } catch (error) {
      this.#reportDisk(error);
    }
  }

  #untilSettled(id: string): Promise<void> {
    return new Promise((resolve) => {
      const entry = this.#port.outbox.get(id);
      // For who is away the answer is known now: it is queued.
      if (entry === undefined || isSettled(entry.state) || !this.#isReachable(entry.envelope.to, entry.envelope.toBox))
        resolve();
      else this.#waiters.set(id, resolve);
    });
  }

  #refresh(outcome: SendOutcome): SendOutcome {
    const entry = outcome.id === undefined ? undefined : this.#port.outbox.get(outcome.id);
    if (entry === undefined) return outcome;
    return {
      to: outcome.to,
      id: outcome.id,
      state: entry.state,
      ...(entry.reason === undefined ? {} : { reason: entry.reason }),
    };
  }

  #reportDisk(error: unknown): void {
    if (this.#diskFaultSaid) return;
    this.#diskFaultSaid = true;
    const known =
      error instanceof PilinkError ? error : new PilinkError("state-unusable", messageOf(error), { cause: error });
    this.#port.onTrouble(known);
  }
}

function isOver({ ttl, at }: Envelope, nowMs: number): boolean {
  return ttl !== undefined && nowMs - at > ttl;
}

function stale(what: string, net: string): PilinkError {
  return new PilinkError("bad-payload", `A ${what} belongs to another instance of the network (${quoteValue(net)}).`, {
    value: net,
  });
}

function forged(what: string): PilinkError {
  return new PilinkError("bad-payload", `Forged: ${what}.`);
}

function unverified(): PilinkError {
  return new PilinkError(
    "bad-payload",
    "A message from nobody in the roster: this network takes none (acceptUnverified is false).",
  );
}

function pause(forMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, forMs);
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}
