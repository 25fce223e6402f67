import { checkBody } from "../protocol/envelope.ts";
import { PilinkError, quoteValue } from "../protocol/errors.ts";
import { idSchema, newId } from "../protocol/ids.ts";
import { parseName, readName } from "../protocol/names.ts";
import { isSettled, type Receipt } from "../protocol/receipt.ts";
import { protocolVersion } from "../protocol/version.ts";
import type { Audit } from "./audit.ts";
import { Dispatcher } from "./dispatch.ts";
import { forgedPayload, staleInstance } from "./doubt.ts";
import type { Identity } from "./identity.ts";
import { describeEntry, type Outbox, type OutboxEntry } from "./outbox.ts";
import type { Outgoing, SendOutcome, SentEntry } from "./peer.ts";
import type { Roster } from "./roster.ts";
import type { Wire } from "./wire.ts";

const defaultWaitMs = 5_000;
const publishedWithinMs = 2;

/** What sending needs of its surroundings. */
export interface SendingPort {
  identity: Identity;
  wire: Wire;
  roster: Roster;
  outbox: Outbox;
  audit: Audit;
  /** True while the network is active: then messages are published. */
  isActive(): boolean;
  /** The clock of the network, in milliseconds. */
  networkNowMs(): number;
  onSent(entry: SentEntry): void;
  onDiskFault(error: unknown): void;
}

/** The messages that this peer sends, until their receivers have them (topics.md, "Delivery"). */
export class Sending {
  readonly #port: SendingPort;
  readonly #dispatcher: Dispatcher;
  readonly #waiters = new Map<string, () => void>();
  readonly #publishing = new Map<string, () => void>();
  readonly #ttlTimers = new Set<NodeJS.Timeout>();

  constructor(port: SendingPort) {
    this.#port = port;
    this.#dispatcher = new Dispatcher({
      openFrom: (box, seq) => port.outbox.openFrom(box, seq),
      openBoxes: () => port.outbox.openBoxes(),
      isReachable: (name, box) => this.#isReachable(name, box),
      publish: (entry) => this.#publish(entry),
      onPublished: (entry) => this.#move(entry.envelope.id, "sent"),
      nowMs: () => performance.now(),
      random: Math.random,
    });
    for (const box of port.outbox.openBoxes()) for (const entry of port.outbox.openTo(box)) this.#startTtl(entry);
  }

  /** Sends; see `Peer.send`. The caller has checked that the network is active. */
  async send(outgoing: Outgoing): Promise<SendOutcome[]> {
    checkBody(outgoing.body);
    if (typeof outgoing.re === "string") checkAnswered(outgoing.re);
    const targets = this.#targetsOf(outgoing.to);
    const outcomes = targets.map((target) => this.#enqueue(target, outgoing));
    outgoing.onTaken?.(outcomes);
    const waiting = outcomes.flatMap(({ id }) => (id === undefined ? [] : [id]));
    const settled = Promise.all(waiting.map((id) => this.#untilSettled(id)));
    const waited = withinLimit(settled, outgoing.waitMs ?? defaultWaitMs, outgoing.signal);
    await Promise.all([this.#flush(waiting), waited]);
    for (const id of waiting) this.#waiters.delete(id);
    return outcomes.map((outcome) => this.#refresh(outcome));
  }

  /** While the disk works a message is slower on its way: what the broker takes at once goes out first. */
  async #flush(ids: readonly string[]): Promise<void> {
    const published = Promise.all(ids.map((id) => this.#untilPublished(id)));
    await withinLimit(published, publishedWithinMs, undefined);
    for (const id of ids) this.#publishing.delete(id);
    await this.#port.outbox.flush();
  }

  /** Takes a receipt. @throws PilinkError the reason to reject it */
  receiveReceipt(receipt: Receipt): void {
    const entry = this.#port.outbox.get(receipt.id);
    if (receipt.net !== this.#port.identity.net) throw staleInstance("receipt", receipt.net);
    if (entry === undefined)
      throw forgedPayload(`a receipt for ${quoteValue(receipt.id)}, which this peer did not send`);
    const { to, toBox } = entry.envelope;
    if (receipt.from !== to || receipt.box !== toBox) {
      throw forgedPayload(`a receipt for ${receipt.id} from ${quoteValue(receipt.from)}, which was sent to "${to}"`);
    }
    this.#port.roster.confirm(receipt.from, receipt.epoch);
    this.#move(receipt.id, receipt.state, receipt.reason);
  }

  /** A receiver misses messages of ours. */
  receiveMissing(box: string, seqs: number[]): void {
    this.#dispatcher.repeat(box, seqs);
  }

  /** The connection is back: everything without a receipt goes out again. */
  resume(): void {
    this.#dispatcher.resume();
  }

  /** The receiver with this box was born, or returned: what waits for it goes out. */
  resumeTo(box: string): void {
    this.#dispatcher.resume(box);
  }

  /** True while something waits for a peer of this name with another box. */
  hasMailForFormer(name: string, box: string): boolean {
    return this.#formerMail(name, box).length > 0;
  }

  /** The name is another peer's now: what was meant for the former one has ended. */
  expireFormer(name: string, box: string): void {
    for (const entry of this.#formerMail(name, box)) {
      this.#move(entry.envelope.id, "expired", `another agent is "${name}" now`);
    }
  }

  /** The network has ended: nothing more is delivered. */
  expireAll(reason: string): void {
    for (const box of this.#port.outbox.openBoxes()) {
      for (const entry of [...this.#port.outbox.openTo(box)]) this.#move(entry.envelope.id, "expired", reason);
    }
  }

  close(): void {
    this.#dispatcher.close();
    for (const timer of this.#ttlTimers) clearTimeout(timer);
    for (const settle of this.#waiters.values()) settle();
    this.#port.outbox.close();
  }

  #formerMail(name: string, box: string): OutboxEntry[] {
    const { outbox } = this.#port;
    const others = outbox.openBoxes().filter((other) => other !== box);
    return others.flatMap((other) => [...outbox.openTo(other)].filter(({ envelope }) => envelope.to === name));
  }

  #targetsOf(to: string | string[]): string[] {
    const { name, network } = this.#port.identity;
    if (to !== "all") return [...new Set((typeof to === "string" ? [to] : to).map(readName))];
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
      // First of all it goes out: somebody waits for it.
      this.#dispatcher.pump(life.presence.box);
      this.#port.audit.noteOut(entry.envelope);
      this.#startTtl(entry);
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
    return this.#port.wire.publishEnvelope(entry.envelope.to, this.#port.outbox.textOf(entry));
  }

  #move(id: string, state: SentEntry["state"], reason?: string): void {
    try {
      const entry = this.#port.outbox.move(id, state, reason);
      if (entry === undefined) return;
      this.#port.audit.noteState("out", id, entry.envelope.to, state, reason);
      this.#publishing.get(id)?.();
      if (isSettled(state)) {
        this.#waiters.get(id)?.();
        this.#dispatcher.settle(entry);
      }
      this.#port.onSent(describeEntry(entry));
    } catch (error) {
      this.#port.onDiskFault(error);
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

  #untilPublished(id: string): Promise<void> {
    return new Promise((resolve) => {
      const entry = this.#port.outbox.get(id);
      if (entry?.state === "queued" && this.#isReachable(entry.envelope.to, entry.envelope.toBox))
        this.#publishing.set(id, resolve);
      else resolve();
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
}

/** @throws PilinkError `bad-argument` where it cannot be the id of a message */
function checkAnswered(re: string): void {
  if (idSchema.safeParse(re).success) return;
  throw new PilinkError(
    "bad-argument",
    `${quoteValue(re)} is no id of a message. Take the one that stands with the message ("Message id"), or leave re out.`,
    { value: re },
  );
}

/** Waits for something, or until the time is up, or the signal says so. */
function withinLimit(awaited: Promise<unknown>, limitMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, limitMs);
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
    awaited.then(done, reject);
  });
}
