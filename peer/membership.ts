import type { EventEmitter } from "node:events";
import type { Control } from "../protocol/control.ts";
import { PilinkError } from "../protocol/errors.ts";
import type { ClosingMark, Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";
import { clearGhostRecord, clearRecord } from "./clearing.ts";
import { answerLimitMs } from "./entrance.ts";
import { sayFarewell } from "./farewell.ts";
import { Hosting } from "./hosting.ts";
import { type Description, type Identity, makePresence } from "./identity.ts";
import type { Inbox } from "./inbox.ts";
import type { LinkOptions } from "./link.ts";
import { Naming } from "./naming.ts";
import type { Outbox } from "./outbox.ts";
import { Outlet } from "./outlet.ts";
import { OwnRecord } from "./own-record.ts";
import type {
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
import { Reception } from "./reception.ts";
import { Rivals } from "./rivals.ts";
import { type Life, Roster, type RosterChange } from "./roster.ts";
import { RosterCare } from "./roster-care.ts";
import { Sending } from "./sending.ts";
import { Suspension } from "./suspension.ts";
import { describeLife, listRoster, requireActive } from "./view.ts";
import type { Wire } from "./wire.ts";

// A host that is there answers within a round trip; one that has left never does.
const departureLimitMs = 1_000;

/** What a membership is made of. */
export interface MembershipParts {
  identity: Identity;
  description: Description;
  /** What the network is about, as its host said. */
  about: string | undefined;
  wire: Wire;
  connection: LinkOptions;
  inbox: Inbox;
  outbox: Outbox;
  clockOffsetMs: number;
  closingMs: number;
  acceptUnverified: boolean;
  /** Whether the life of a record is provably dead. */
  isDead: (name: string, epoch: string) => Promise<boolean>;
  /** Gives up what the peer holds on this machine: files and lock. */
  release: () => Promise<void>;
}

/** One stay in one network, from the first birth to the end. It is made by `createNetwork` and `joinNetwork`. */
export class Membership implements Peer {
  readonly #outlet = new Outlet();
  readonly #parts: MembershipParts;
  readonly #roster: Roster;
  readonly #sending: Sending;
  readonly #reception: Reception;
  readonly #suspension: Suspension;
  readonly #ownRecord: OwnRecord;
  readonly #care: RosterCare;
  readonly #hosting: Hosting | undefined;
  readonly #rivals: Rivals;
  readonly #naming: Naming;
  readonly #rejected: Record<string, number> = {};
  #state: "open" | "closed" | "left" = "open";
  #leaving: Promise<void> | undefined;
  #clearing: Promise<void> | undefined;
  #announced = false;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    const { identity, wire } = parts;
    this.#roster = new Roster(identity.net);
    this.#suspension = new Suspension(parts.closingMs, {
      onSuspended: () => this.#outlet.emit("suspended", { host: identity.host }),
      onResumed: () => this.#onResumed(),
      onExpired: () => void this.#closeForGood(),
      isHostDead: () => parts.isDead(identity.host, identity.net),
      onHostDead: () => void this.#closeForGood(),
      nowMs: () => performance.now(),
    });
    const shared = {
      identity,
      wire,
      roster: this.#roster,
      networkNowMs: () => this.#networkNowMs(),
      onDiskFault: (error: unknown) => this.#outlet.reportDisk(error),
    };
    this.#sending = new Sending({
      ...shared,
      outbox: parts.outbox,
      isActive: () => this.state === "active",
      onSent: (entry) => this.#outlet.emit("sent", entry),
    });
    this.#reception = new Reception({
      ...shared,
      inbox: parts.inbox,
      acceptUnverified: parts.acceptUnverified,
      onMessage: (entry) => this.#outlet.emit("message", entry),
    });
    this.#ownRecord = new OwnRecord({
      epoch: identity.epoch,
      isHost: identity.kind === "host",
      announce: () => this.#outlet.inBackground(this.announce()),
      askGrant: () => this.#naming.grantOf(identity.name),
      onDisplaced: () => this.#onDisplaced(),
    });
    this.#care = new RosterCare({
      identity,
      wire,
      roster: this.#roster,
      closingMs: parts.closingMs,
      onDropped: (life) => this.#onDropped(life),
      onGhost: (life) => this.#onGhost(life),
      onHostSilent: () => this.#suspension.suspend(),
    });
    this.#hosting =
      identity.kind === "host"
        ? new Hosting({
            identity,
            wire,
            about: parts.about,
            announce: () => this.announce(),
            clear: (name, presence) => this.#clearGhost(name, presence),
            isEnded: async (name, { epoch }) => (await parts.isDead(name, epoch)) || this.#care.isGone(name, epoch),
            nowMs: Date.now,
          })
        : undefined;
    this.#naming = new Naming(identity, wire, this.#hosting);
    this.#rivals = new Rivals({
      identity,
      isSuspended: () => this.#suspension.isSuspended,
      ask: (name, net) => this.#care.ask(name, net),
      repair: () => this.#ownRecord.repair(),
      close: (reason) => this.#close(reason),
      inBackground: (work) => this.#outlet.inBackground(work),
    });
  }

  get events(): EventEmitter<PeerEvents> {
    return this.#outlet.events;
  }
  get network(): string {
    return this.#parts.identity.network;
  }
  get name(): string {
    return this.#parts.identity.name;
  }
  get kind(): "host" | "member" {
    return this.#parts.identity.kind;
  }
  get epoch(): string {
    return this.#parts.identity.epoch;
  }
  get net(): string {
    return this.#parts.identity.net;
  }
  get box(): string {
    return this.#parts.identity.box;
  }
  get about(): string | undefined {
    return this.#parts.about;
  }
  get state(): NetworkState {
    if (this.#state !== "open") return this.#state;
    return this.#suspension.isSuspended ? "suspended" : "active";
  }

  /** Listens to the wire from now on; call it before the first subscription whose messages count. */
  listen(): void {
    const { wire } = this.#parts;
    wire.events.on("presence", (name, record, retained) => this.#onPresence(name, record, retained));
    wire.events.on("mark", (mark) => this.#onMark(mark));
    wire.events.on("control", (control) => this.#onControl(control));
    wire.events.on("receipt", (receipt) => this.#sending.receiveReceipt(receipt));
    wire.events.on("inbox", (payload) => this.#reception.receive(payload));
    wire.events.on("rejected", ({ topic, error }) => {
      this.#rejected[error.code] = (this.#rejected[error.code] ?? 0) + 1;
      this.#outlet.emit("rejected", { topic, error });
    });
    wire.link.events.on("up", ({ conn }) => {
      // What belongs to the first connection is done, in order, by whoever makes this membership.
      if (conn > 1) this.#outlet.inBackground(this.#onUp());
    });
    wire.link.events.on("down", ({ reason }) => this.#onDown(reason));
    wire.link.events.on("ended", (error) => this.#onEnded(error));
  }

  /** Publishes the birth. @throws PilinkError `connection-lost` */
  announce(): Promise<void> {
    this.#announced = true;
    return this.#parts.wire.publishPresence(this.name, this.#presence("online"));
  }

  /** Everything the first connection needs is done: time runs, and what waits goes out. */
  begin(): void {
    if (this.kind === "member") this.#roster.confirm(this.#parts.identity.host, this.net);
    this.#suspension.setConnected(true);
    this.#care.begin();
    this.#sending.resume();
  }

  roster(): RosterEntry[] {
    return listRoster(this.#parts.identity, this.#presence("online"), this.#roster.all());
  }

  async confirmRoster(timeoutMs = 1_000): Promise<RosterEntry[]> {
    await this.#care.confirm(timeoutMs);
    return this.roster();
  }

  async send(outgoing: Outgoing): Promise<SendOutcome[]> {
    requireActive(this.#parts.identity, this.state);
    const outcomes = await this.#sending.send(outgoing);
    const answered = outgoing.re ?? null;
    const wasSent = outcomes.some(({ state }) => state !== "refused");
    if (answered !== null && wasSent) this.#reception.mark([answered], "replied");
    return outcomes;
  }

  sent(): SentEntry[] {
    return this.#parts.outbox.sent();
  }

  inbox(): InboxEntry[] {
    return this.#parts.inbox.entries();
  }

  markInjected(ids: string[], session: string): void {
    this.#reception.mark(ids, "injected", session);
  }

  markSeen(ids: string[]): void {
    this.#reception.mark(ids, "seen");
  }

  releaseSession(session: string): InboxEntry[] {
    return this.#parts.inbox.releaseSession(session);
  }

  describe(changes: { role?: string; model?: string; activity?: string; folder?: string }): void {
    Object.assign(this.#parts.description, changes);
    if (this.#state === "open") this.#outlet.inBackground(this.announce());
  }

  status(): PeerStatus {
    const { network, name, kind, epoch, net, host } = this.#parts.identity;
    const { wire, inbox, outbox, clockOffsetMs } = this.#parts;
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
      unread: inbox.entries().filter((entry) => entry.state === "unread").length,
      rejected: { ...this.#rejected },
    };
  }

  dependents(): string[] {
    if (this.kind === "member" || this.#state !== "open") return [];
    return this.#roster.all().map((life) => life.name);
  }

  leave(timeoutMs = 800): Promise<void> {
    if (this.#leaving === undefined) {
      this.#state = "left";
      this.#leaving = this.#depart(true, timeoutMs);
    }
    return this.#leaving;
  }

  #onPresence(name: string, record: Presence | undefined, retained: boolean): void {
    if (this.#state !== "open") return;
    const { host } = this.#parts.identity;
    if (name === this.name) this.#ownRecord.check(record);
    if (record !== undefined && record.net !== this.net) this.#rivals.note(name, record, retained);
    // The host's epoch is the instance: another life under its name is no host of this one.
    if (name === this.name || (name === host && record?.epoch !== this.net)) return;
    const held = this.#roster.get(name)?.presence;
    const isContested =
      record?.net === this.net && record.state === "online" && held?.state === "online" && held.epoch !== record.epoch;
    if (isContested) this.#outlet.inBackground(this.#judgeContest(name, record, retained));
    else this.#applyRecord(name, record, retained);
  }

  /** Two lives of one name that both seem to be here: the one that was granted the name is (hazard 8). */
  async #judgeContest(name: string, record: Presence, retained: boolean): Promise<void> {
    if (await this.#naming.mayCarry(name, record)) this.#applyRecord(name, record, retained);
  }

  #applyRecord(name: string, record: Presence | undefined, retained: boolean): void {
    if (this.#state !== "open") return;
    const change = this.#roster.apply(name, record, retained);
    if (change === undefined) return;
    this.#hosting?.note(change);
    this.#followHost(change);
    this.#tell(change, retained);
    const { presence } = change.life;
    if (presence.state !== "online" || change.kind === "changed" || change.kind === "departed") return;
    this.#sending.resumeTo(presence.box);
    if (this.#sending.hasMailForFormer(name, presence.box)) {
      this.#outlet.inBackground(this.#endFormerMail(name, presence));
    }
  }

  /** Mail never goes to another process that merely took the name (hazard 1); only the host's word ends it. */
  async #endFormerMail(name: string, presence: Presence): Promise<void> {
    const grant = await this.#naming.grantOf(name);
    if (grant?.epoch === presence.epoch) this.#sending.expireFormer(name, presence.box);
  }

  #followHost(change: RosterChange): void {
    if (change.life.name !== this.#parts.identity.host) return;
    if (change.kind === "departed") this.#outlet.inBackground(this.#judgeDeparture());
    else if (change.life.presence.state === "lost") this.#suspension.suspend();
    else this.#suspension.resume();
  }

  /** A host that leaves says so by the closing mark first. A `left` without one may be anybody's: the host is asked. */
  async #judgeDeparture(): Promise<void> {
    const { host } = this.#parts.identity;
    if ((await this.#care.ask(host, this.net, departureLimitMs)) !== undefined) return;
    this.#close(`its host "${host}" has left`);
  }

  #tell(change: RosterChange, retained: boolean): void {
    const entry = this.#entryOf(change.life);
    // What the broker held before is no news.
    if (change.kind === "departed") this.#outlet.emit("departed", entry);
    else if (change.kind === "lost" && !retained) this.#outlet.emit("lost", entry);
    else if ((change.kind === "joined" || change.kind === "returned") && !retained) this.#outlet.emit("joined", entry);
    else if (change.kind === "replaced" && !retained) {
      this.#outlet.emit("departed", this.#entryOf(change.former));
      this.#outlet.emit("joined", entry);
    }
    this.#outlet.emit("roster");
  }

  #onMark(mark: ClosingMark | undefined): void {
    if (mark?.net !== this.net) return;
    const { host } = this.#parts.identity;
    this.#close(
      mark.by === host
        ? `its host "${host}" has left`
        : `its host "${host}" did not return in time, as "${mark.by}" found`,
    );
  }

  #onControl(control: Control): void {
    if ("net" in control && control.net !== null && control.net !== this.net) return;
    if (control.epoch === this.epoch) return;
    if (control.type === "ping") this.#outlet.inBackground(this.#answerPing(control));
    else if (control.type === "pong") this.#onPong(control);
    else if (control.type === "missing") this.#sending.receiveMissing(control.box, control.seqs);
    else if (this.#hosting !== undefined && this.#state === "open")
      this.#outlet.inBackground(this.#hosting.answer(control));
  }

  #onPong({ from, epoch }: Extract<Control, { type: "pong" }>): void {
    this.#roster.confirm(from, epoch);
    const { host } = this.#parts.identity;
    // A host that was taken for a ghost, and is none.
    if (from === host && epoch === this.net && this.#roster.get(host)?.presence.state === "online")
      this.#suspension.resume();
  }

  #answerPing(ping: Extract<Control, { type: "ping" }>): Promise<void> {
    if (this.#state !== "open") return Promise.resolve();
    const { name, epoch, net } = this;
    const { wire } = this.#parts;
    return wire.publishControl(ping.from, {
      v: protocolVersion,
      type: "pong",
      re: ping.id,
      from: name,
      epoch,
      net,
      conn: wire.link.conn,
      at: this.#networkNowMs(),
    });
  }

  async #onUp(): Promise<void> {
    const { wire } = this.#parts;
    this.#roster.beginConnection();
    await wire.subscribeOwn(["inbox", "receipts", "control"]);
    await this.announce();
    await wire.subscribePresence();
    this.#suspension.setConnected(true);
    this.#care.begin();
    this.#sending.resume();
    this.#outlet.emit("connected");
    const { host } = this.#parts.identity;
    // While nobody was connected the host's process may have ended, and its record says nothing of it (hazard 2).
    if (this.kind === "member" && (await this.#parts.isDead(host, this.net))) return this.#closeForGood();
    const life = this.#roster.get(host);
    if (life !== undefined) await this.#care.ping(life, answerLimitMs);
  }

  #onDown(reason: string): void {
    this.#suspension.setConnected(false);
    this.#care.pause();
    this.#outlet.emit("disconnected", { reason });
  }

  #onEnded(error: PilinkError): void {
    this.#close(error.code === "broker-stopped" ? "the broker was stopped" : error.message);
  }

  #onResumed(): void {
    this.#outlet.emit("resumed", { host: this.#parts.identity.host });
    this.#sending.resume();
  }

  #onDisplaced(): void {
    if (this.#state !== "open") return;
    this.#state = "left";
    this.#leaving = this.#depart(false, 800);
    this.#outlet.emit(
      "displaced",
      new PilinkError(
        "name-displaced",
        `The name "${this.name}" in the network "${this.network}" was given to another agent while this one was away. This one has left; join again under another name.`,
        { value: this.name },
      ),
    );
  }

  /** The host will not return: the first to know says so to everybody (hazard 6). */
  async #closeForGood(): Promise<void> {
    if (this.#state !== "open") return;
    const { host } = this.#parts.identity;
    this.#outlet.inBackground(this.#publishMark());
    const record = this.#roster.get(host)?.presence;
    if (record !== undefined) this.#clearing = this.#clearGhost(host, record);
    this.#close(`its host "${host}" is gone`);
  }

  #close(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#sending.expireAll(`the network was closed: ${reason}`);
    this.#leaving = this.#depart(true, 800);
    this.#outlet.emit("closed", { reason });
  }

  async #depart(say: boolean, timeoutMs: number): Promise<void> {
    this.#suspension.close();
    this.#ownRecord.close();
    this.#care.close();
    const { wire, connection, release } = this.#parts;
    await sayFarewell({
      wire,
      connection,
      timeoutMs,
      farewell: say && this.#announced ? () => this.#withdraw() : undefined,
    });
    this.#sending.close();
    this.#reception.close();
    await release();
  }

  async #withdraw(): Promise<void> {
    if (this.kind === "host") await this.#publishMark();
    await clearRecord(this.#parts.wire, this.name, this.#presence("left"));
    await this.#clearing;
  }

  #clearGhost(name: string, presence: Presence): Promise<void> {
    const { connection, wire } = this.#parts;
    return clearGhostRecord(this.network, { ...connection, url: wire.link.url }, name, presence);
  }

  #onDropped(life: Life): void {
    if (life.name === this.#parts.identity.host) this.#suspension.suspend();
    this.#outlet.emit("departed", this.#entryOf(life));
    this.#outlet.emit("roster");
  }

  #onGhost(life: Life): void {
    if (this.#hosting !== undefined) this.#outlet.inBackground(this.#hosting.clearGhost(life.name, life.presence));
    this.#outlet.emit("departed", this.#entryOf(life));
    this.#outlet.emit("roster");
  }

  #publishMark(): Promise<void> {
    const { name, net } = this;
    return this.#parts.wire.publishMark({
      v: protocolVersion,
      state: "closed",
      net,
      by: name,
      at: this.#networkNowMs(),
    });
  }

  #presence(state: Presence["state"]): Presence {
    const { identity, description, wire } = this.#parts;
    return makePresence(identity, description, state, wire.link.conn);
  }

  #entryOf(life: Life): RosterEntry {
    return describeLife(this.#parts.identity, life);
  }

  #networkNowMs(): number {
    return Date.now() + this.#parts.clockOffsetMs;
  }
}
