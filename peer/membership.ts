import type { EventEmitter } from "node:events";
import { type Access, askBrokerVersion, type Examination, examineBroker } from "./examination.ts";
import type {
  DescribeChanges,
  InboxEntry,
  NetworkState,
  Outgoing,
  Peer,
  PeerEvents,
  PeerStatus,
  RosterEntry,
  SendOutcome,
  SentEntry,
} from "./peer.ts";
import type { Stay } from "./stay.ts";
import { requireActive } from "./view.ts";

/** A stay as a face uses it. It is made by `createNetwork` and `joinNetwork`. */
export class Membership implements Peer {
  readonly #stay: Stay;

  constructor(stay: Stay) {
    this.#stay = stay;
  }

  get events(): EventEmitter<PeerEvents> {
    return this.#stay.outlet.events;
  }
  get network(): string {
    return this.#stay.parts.identity.network;
  }
  get name(): string {
    return this.#stay.parts.identity.name;
  }
  get kind(): "host" | "member" {
    return this.#stay.parts.identity.kind;
  }
  get epoch(): string {
    return this.#stay.parts.identity.epoch;
  }
  get net(): string {
    return this.#stay.parts.identity.net;
  }
  get box(): string {
    return this.#stay.parts.identity.box;
  }
  get about(): string | undefined {
    return this.#stay.parts.about;
  }
  get state(): NetworkState {
    return this.#stay.state;
  }

  roster(): RosterEntry[] {
    return this.#stay.company.list(this.#stay.presence("online"));
  }

  async confirmRoster(timeoutMs = 1_000): Promise<RosterEntry[]> {
    await this.#stay.company.confirm(timeoutMs);
    return this.roster();
  }

  async send(outgoing: Outgoing): Promise<SendOutcome[]> {
    requireActive(this.#stay.parts.identity, this.state);
    const outcomes = await this.#stay.sending.send(outgoing);
    const answered = outgoing.re ?? undefined;
    const asker = answered === undefined ? undefined : this.#stay.parts.inbox.get(answered)?.from;
    // What refers to a message and goes to others only has not answered it.
    const isAnswer = outcomes.some(({ to, state }) => state !== "refused" && to === asker);
    if (answered !== undefined && isAnswer) this.#stay.reception.mark([answered], "replied");
    return outcomes;
  }

  sent(): SentEntry[] {
    return this.#stay.parts.outbox.sent();
  }

  inbox(): InboxEntry[] {
    return this.#stay.parts.inbox.entries();
  }

  unread(): InboxEntry[] {
    return this.#stay.parts.inbox.unread();
  }

  markInjected(ids: string[], session: string): void {
    this.#stay.reception.mark(ids, "injected", session);
  }

  markSeen(ids: string[]): void {
    this.#stay.reception.mark(ids, "seen");
  }

  releaseSession(session: string): InboxEntry[] {
    return this.#stay.reception.releaseSession(session);
  }

  markAttention(ids: string[], attention: "read" | "cleared"): void {
    this.#stay.reception.markAttention(ids, attention);
  }

  describe(changes: DescribeChanges): void {
    Object.assign(this.#stay.parts.description, changes);
    if (this.#stay.isOpen) this.#stay.outlet.inBackground(this.#stay.announce());
  }

  status(): PeerStatus {
    const { network, name, kind, epoch, net, host } = this.#stay.parts.identity;
    const { wire, inbox, outbox, clockOffsetMs } = this.#stay.parts;
    return {
      network,
      name,
      kind,
      epoch,
      net,
      host,
      url: wire.link.address,
      state: this.state,
      connected: wire.link.connected,
      clockOffsetMs,
      waiting: outbox.openCount,
      unread: inbox.unreadCount,
      rejected: { ...this.#stay.rejected },
    };
  }

  dependents(): string[] {
    if (this.kind === "member" || !this.#stay.isOpen) return [];
    return this.#stay.company.names();
  }

  examine(): Promise<Examination> {
    const { identity, isDead } = this.#stay.parts;
    const { network, name, epoch } = identity;
    return examineBroker({ network, name, epoch, connection: this.#access(), isDead });
  }

  brokerVersion(): Promise<string | undefined> {
    return askBrokerVersion(this.#access());
  }

  leave(timeoutMs?: number): Promise<void> {
    return this.#stay.leave(timeoutMs);
  }

  #access(): Access {
    const { connection, wire } = this.#stay.parts;
    return { ...connection, url: wire.link.url };
  }
}
