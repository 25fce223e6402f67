import { join } from "node:path";
import type { Control } from "../protocol/control.ts";
import { PilinkError } from "../protocol/errors.ts";
import type { ClosingMark, Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";
import { Audit, auditFile } from "./audit.ts";
import { clearGhostRecord, clearRecord } from "./clearing.ts";
import { Company } from "./company.ts";
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
import type { NetworkState, SentEntry } from "./peer.ts";
import { Reception } from "./reception.ts";
import { Rivals } from "./rivals.ts";
import { Sending } from "./sending.ts";
import { Suspension } from "./suspension.ts";
import type { Wire } from "./wire.ts";

// More than a thousand peers ask within a second only where something is wrong; they ask again.
const heldLimit = 1_000;

/** What a stay is made of. */
export interface StayParts {
  identity: Identity;
  description: Description;
  /** What the network is about, as its host said. */
  about: string | undefined;
  wire: Wire;
  connection: LinkOptions;
  inbox: Inbox;
  outbox: Outbox;
  /** What this peer sent in an earlier instance, and what ended with it unseen. */
  ended: SentEntry[];
  /** The folder of this peer's files. */
  path: string;
  clockOffsetMs: number;
  closingMs: number;
  acceptUnverified: boolean;
  /** True where the person takes no messages from that sender. */
  isBlocked: (from: string) => boolean;
  /** Whether the life of a record is provably dead. */
  isDead: (name: string, epoch: string) => Promise<boolean>;
  /** Gives up what the peer holds on this machine; `isOver` where the instance has ended for everybody. */
  release: (isOver: boolean) => Promise<void>;
}

/** One stay in one network, from the first birth to the end: what happens on the wire, and what follows from it. */
export class Stay {
  readonly outlet = new Outlet();
  readonly parts: StayParts;
  readonly company: Company;
  readonly sending: Sending;
  readonly reception: Reception;
  readonly #audit: Audit;
  readonly #suspension: Suspension;
  readonly #ownRecord: OwnRecord;
  readonly #hosting: Hosting | undefined;
  readonly #rivals: Rivals;
  readonly #naming: Naming;
  readonly rejected: Record<string, number> = {};
  #state: "open" | "closed" | "left" = "open";
  #leaving: Promise<void> | undefined;
  #clearing: Promise<void> | undefined;
  #announced = false;
  readonly #held: Control[] = [];
  readonly #hold = (control: Control): void => {
    if (this.#announced && this.#held.length < heldLimit) this.#held.push(control);
  };

  constructor(parts: StayParts) {
    this.parts = parts;
    const { identity, wire } = parts;
    this.company = new Company({
      identity,
      wire,
      outlet: this.outlet,
      closingMs: parts.closingMs,
      isOpen: () => this.#state === "open",
      naming: () => this.#naming,
      hosting: () => this.#hosting,
      onHost: (news) => this.#onHost(news),
      onBorn: (name, presence) => this.#onBorn(name, presence),
    });
    this.#suspension = new Suspension(parts.closingMs, {
      onSuspended: () => this.outlet.emit("suspended", { host: identity.host }),
      onResumed: () => this.#onResumed(),
      onExpired: () => this.outlet.inBackground(this.#giveUp()),
      isHostDead: () => parts.isDead(identity.host, identity.net),
      onHostDead: () => void this.#closeForGood(),
      nowMs: () => performance.now(),
    });
    this.#audit = new Audit({
      path: join(parts.path, auditFile),
      nowMs: Date.now,
      onFault: (error) => this.outlet.inBackground(Promise.reject(error)),
    });
    const shared = {
      identity,
      wire,
      audit: this.#audit,
      roster: this.company.roster,
      networkNowMs: () => this.#networkNowMs(),
      onDiskFault: (error: unknown) => this.outlet.reportDisk(error),
    };
    this.sending = new Sending({
      ...shared,
      outbox: parts.outbox,
      isActive: () => this.state === "active",
      onSent: (entry) => this.outlet.emit("sent", entry),
    });
    this.reception = new Reception({
      ...shared,
      inbox: parts.inbox,
      acceptUnverified: parts.acceptUnverified,
      isBlocked: parts.isBlocked,
      onMessage: (entry) => this.outlet.emit("message", entry),
      onFull: (error) => this.outlet.reportStanding(error),
    });
    this.#ownRecord = new OwnRecord({
      epoch: identity.epoch,
      isHost: identity.kind === "host",
      announce: () => this.outlet.inBackground(this.announce()),
      askGrant: () => this.#naming.grantOf(identity.name),
      onDisplaced: () => this.#onDisplaced(),
    });
    this.#hosting =
      identity.kind === "host"
        ? new Hosting({
            identity,
            wire,
            about: parts.about,
            announce: () => this.announce(),
            clear: (name, presence) => this.#clearGhost(name, presence),
            isHere: (name) => this.company.roster.get(name) !== undefined,
            isEnded: async (name, { epoch }) => (await parts.isDead(name, epoch)) || this.company.isGone(name, epoch),
            nowMs: Date.now,
          })
        : undefined;
    this.#naming = new Naming(identity, wire, this.#hosting);
    this.#rivals = new Rivals({
      identity,
      isSuspended: () => this.#suspension.isSuspended,
      ask: (name, net) => this.company.ask(name, net),
      repair: () => this.#ownRecord.repair(),
      close: (reason) => this.#close(reason),
      inBackground: (work) => this.outlet.inBackground(work),
    });
  }

  get name(): string {
    return this.parts.identity.name;
  }
  get net(): string {
    return this.parts.identity.net;
  }
  get isOpen(): boolean {
    return this.#state === "open";
  }
  get state(): NetworkState {
    if (this.#state !== "open") return this.#state;
    return this.#suspension.isSuspended ? "suspended" : "active";
  }

  /**
   * Keeps what is asked of this peer until it listens: between the birth of a host and the end of its entering others
   * see it already, and their questions would go unanswered.
   */
  holdQuestions(): void {
    this.parts.wire.events.on("control", this.#hold);
  }

  /** Listens to the wire from now on; call it before the first subscription whose messages count. */
  listen(): void {
    const { wire } = this.parts;
    wire.events.on("presence", (name, record, retained) => this.#onPresence(name, record, retained));
    wire.events.on("mark", (mark) => this.#onMark(mark));
    wire.events.off("control", this.#hold);
    wire.events.on("control", (control) => this.#onControl(control));
    wire.events.on("receipt", (receipt) => this.sending.receiveReceipt(receipt));
    wire.events.on("inbox", (payload) => this.reception.receive(payload));
    wire.events.on("rejected", ({ topic, error }) => {
      this.rejected[error.code] = (this.rejected[error.code] ?? 0) + 1;
      this.outlet.emit("rejected", { topic, error });
    });
    wire.link.events.on("up", ({ conn }) => {
      // What belongs to the first connection is done, in order, by whoever makes this stay.
      if (conn > 1) this.outlet.inBackground(this.#onUp());
    });
    wire.link.events.on("down", ({ reason }) => this.#onDown(reason));
    wire.link.events.on("ended", (error) => this.#onEnded(error));
  }

  /** Answers what was asked before this peer listened. */
  answerHeld(): void {
    for (const control of this.#held.splice(0)) this.#onControl(control);
  }

  /** Publishes the birth. @throws PilinkError `connection-lost` */
  announce(): Promise<void> {
    this.#announced = true;
    return this.parts.wire.publishPresence(this.name, this.presence("online"));
  }

  /** Everything the first connection needs is done: time runs, and what waits goes out. */
  begin(): void {
    if (this.parts.identity.kind === "member") this.company.roster.confirm(this.parts.identity.host, this.net);
    this.#suspension.setConnected(true);
    this.company.begin();
    this.sending.resume();
    // Who enters listens only when it has got the peer.
    setImmediate(() => {
      for (const entry of this.parts.ended) this.outlet.emit("sent", entry);
    });
  }

  leave(timeoutMs = 800): Promise<void> {
    if (this.#leaving === undefined) {
      this.#state = "left";
      // A host's network ends with it. What a member sent waits for its return.
      if (this.parts.identity.kind === "host") this.sending.expireAll("the network was closed: its host has left");
      this.#leaving = this.#depart(true, timeoutMs);
    }
    return this.#leaving;
  }

  #onPresence(name: string, record: Presence | undefined, retained: boolean): void {
    if (this.#state !== "open") return;
    if (record !== undefined && record.net !== this.net) this.#rivals.note(name, record, retained);
    if (name === this.name) this.#ownRecord.check(record);
    else {
      this.company.take(name, record, retained);
      this.reception.recheckEarly();
    }
  }

  #onHost(news: "lost" | "back" | "left"): void {
    if (news === "lost") this.#suspension.suspend();
    else if (news === "back") this.#suspension.resume();
    else this.#close(`its host "${this.parts.identity.host}" has left`);
  }

  #onBorn(name: string, presence: Presence): void {
    // As almost always: in a large network somebody is born all the time.
    if (this.parts.outbox.openCount === 0) return;
    this.sending.resumeTo(presence.box);
    if (this.sending.hasMailForFormer(name, presence.box)) {
      this.outlet.inBackground(this.#endFormerMail(name, presence));
    }
  }

  /** Mail never goes to another process that merely took the name (hazard 1); only the host's word ends it. */
  async #endFormerMail(name: string, presence: Presence): Promise<void> {
    const grant = await this.#naming.grantOf(name);
    if (grant?.epoch === presence.epoch) this.sending.expireFormer(name, presence.box);
  }

  #onMark(mark: ClosingMark | undefined): void {
    if (mark?.net !== this.net) return;
    const { host } = this.parts.identity;
    this.#close(
      mark.by === host
        ? `its host "${host}" has left`
        : `its host "${host}" did not return in time, as "${mark.by}" found`,
    );
  }

  #onControl(control: Control): void {
    if ("net" in control && control.net !== null && control.net !== this.net) return;
    if (control.epoch === this.parts.identity.epoch) return;
    if (control.type === "ping") this.outlet.inBackground(this.#answerPing(control));
    else if (control.type === "pong") this.company.takePong(control);
    else if (control.type === "missing") this.sending.receiveMissing(control.box, control.seqs);
    else if (this.#hosting !== undefined && this.#state === "open")
      this.outlet.inBackground(this.#hosting.answer(control));
  }

  #answerPing(ping: Extract<Control, { type: "ping" }>): Promise<void> {
    if (this.#state !== "open") return Promise.resolve();
    const { name, epoch, net } = this.parts.identity;
    const { wire } = this.parts;
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
    const { wire } = this.parts;
    this.company.roster.beginConnection();
    await wire.subscribeOwn(["inbox", "receipts", "control"], this.parts.identity.kind);
    await this.announce();
    await wire.subscribePresence();
    this.#suspension.setConnected(true);
    this.company.begin();
    this.sending.resume();
    this.reception.resume();
    this.outlet.emit("connected");
    const { host } = this.parts.identity;
    // While nobody was connected the host's process may have ended, and its record says nothing of it (hazard 2).
    if (this.parts.identity.kind === "member" && (await this.parts.isDead(host, this.net))) return this.#closeForGood();
    await this.company.pingHost(answerLimitMs);
  }

  #onDown(reason: string): void {
    this.#suspension.setConnected(false);
    this.company.pause();
    this.outlet.emit("disconnected", { reason });
  }

  #onEnded(error: PilinkError): void {
    this.#close(error.code === "broker-stopped" ? "the broker was stopped" : error.message);
  }

  #onResumed(): void {
    this.outlet.emit("resumed", { host: this.parts.identity.host });
    this.sending.resume();
  }

  #onDisplaced(): void {
    if (this.#state !== "open") return;
    this.#state = "left";
    this.#leaving = this.#depart(false, 800);
    this.outlet.emit(
      "displaced",
      new PilinkError(
        "name-displaced",
        `The name "${this.name}" in the network "${this.parts.identity.network}" was given to another agent while this one was away. This one has left; join again under another name.`,
        { value: this.name },
      ),
    );
  }

  /**
   * The closing time is over. A verdict that did not reach the broker is none: the host may return there, and the others
   * resume with it (hazard 6). So the mark comes first; where it is lost with the connection, the next one decides.
   */
  async #giveUp(): Promise<void> {
    await this.#publishMark();
    this.#closeHostless();
  }

  /** The host is dead: the first to know says so to everybody. */
  async #closeForGood(): Promise<void> {
    if (this.#state !== "open") return;
    this.outlet.inBackground(this.#publishMark());
    this.#closeHostless();
  }

  #closeHostless(): void {
    if (this.#state !== "open") return;
    const { host } = this.parts.identity;
    const record = this.company.roster.get(host)?.presence;
    if (record !== undefined) this.#clearing = this.#clearGhost(host, record);
    this.#close(`its host "${host}" is gone`);
  }

  #close(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.sending.expireAll(`the network was closed: ${reason}`);
    this.#leaving = this.#depart(true, 800);
    this.outlet.emit("closed", { reason });
  }

  async #depart(say: boolean, timeoutMs: number): Promise<void> {
    this.#suspension.close();
    this.#ownRecord.close();
    this.company.close();
    const { wire, connection, release } = this.parts;
    await sayFarewell({
      wire,
      connection,
      timeoutMs,
      farewell: say && this.#announced ? () => this.#withdraw() : undefined,
    });
    this.sending.close();
    this.reception.close();
    this.#audit.close();
    const isOver = this.#state === "closed" || (say && this.parts.identity.kind === "host");
    // Nobody can do anything about it here; the lock is free when the process ends.
    await release(isOver).catch((error: unknown) => this.outlet.reportDisk(error));
  }

  async #withdraw(): Promise<void> {
    if (this.parts.identity.kind === "host") await this.#publishMark();
    await clearRecord(this.parts.wire, this.name, this.presence("left"));
    await this.#clearing;
  }

  #clearGhost(name: string, presence: Presence): Promise<void> {
    const { connection, wire } = this.parts;
    return clearGhostRecord(this.parts.identity.network, { ...connection, url: wire.link.url }, name, presence);
  }

  #publishMark(): Promise<void> {
    const { name, net } = this;
    return this.parts.wire.publishMark({
      v: protocolVersion,
      state: "closed",
      net,
      by: name,
      at: this.#networkNowMs(),
    });
  }

  /** The own record as it is published in a state. */
  presence(state: Presence["state"]): Presence {
    const { identity, description, wire } = this.parts;
    return makePresence(identity, description, state, wire.link.conn);
  }

  #networkNowMs(): number {
    // The offset is what a host said of its clock, and may be anything: no payload holds less or more than this.
    return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Date.now() + this.parts.clockOffsetMs));
  }
}
