import { EventEmitter } from "node:events";
import type { Control } from "../protocol/control.ts";
import { messageOf, PilinkError } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import type { ClosingMark, Presence } from "../protocol/presence.ts";
import { protocolVersion } from "../protocol/version.ts";
import { answerLimitMs } from "./entrance.ts";
import type { Grant } from "./grants.ts";
import { clearRecord, Hosting } from "./hosting.ts";
import { type Description, type Identity, makePresence } from "./identity.ts";
import type { Inbox } from "./inbox.ts";
import { deleteSession, type LinkOptions } from "./link.ts";
import { Mail } from "./mail.ts";
import type { Outbox } from "./outbox.ts";
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
import { type Life, Roster, type RosterChange } from "./roster.ts";
import { Suspension } from "./suspension.ts";
import type { Wire } from "./wire.ts";

// Hazard 5: a record that did not come again this long after a connect is gone from the broker.
const repeatLimitMs = 5_000;
const sweepPauseMs = 5_000;

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
  readonly events = new EventEmitter<PeerEvents>();
  readonly #parts: MembershipParts;
  readonly #roster: Roster;
  readonly #mail: Mail;
  readonly #suspension: Suspension;
  readonly #ownRecord: OwnRecord;
  readonly #hosting: Hosting | undefined;
  readonly #rejected: Record<string, number> = {};
  #state: "open" | "closed" | "left" = "open";
  #leaving: Promise<void> | undefined;
  #announced = false;
  #sweep: NodeJS.Timeout | undefined;
  #drop: NodeJS.Timeout | undefined;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    const { identity, wire } = parts;
    this.#roster = new Roster(identity.net);
    this.#suspension = new Suspension(parts.closingMs, {
      onSuspended: () => this.#emitFor("suspended", { host: identity.host }),
      onResumed: () => this.#onResumed(),
      onExpired: () => void this.#closeForGood(),
      isHostDead: () => parts.isDead(identity.host, identity.net),
      onHostDead: () => void this.#closeForGood(),
      nowMs: () => performance.now(),
    });
    this.#mail = new Mail({
      identity,
      wire,
      roster: this.#roster,
      inbox: parts.inbox,
      outbox: parts.outbox,
      acceptUnverified: parts.acceptUnverified,
      isActive: () => this.state === "active",
      networkNowMs: () => this.#networkNowMs(),
      onMessage: (entry) => this.#emitFor("message", entry),
      onSent: (entry) => this.#emitFor("sent", entry),
      onTrouble: (error) => this.#emitFor("trouble", error),
    });
    this.#ownRecord = new OwnRecord({
      epoch: identity.epoch,
      isHost: identity.kind === "host",
      announce: () => this.#inBackground(this.announce()),
      askGrant: () => this.#askGrant(),
      onDisplaced: () => this.#onDisplaced(),
    });
    this.#hosting =
      identity.kind === "host"
        ? new Hosting({
            identity,
            wire,
            about: parts.about,
            announce: () => this.announce(),
            isEnded: (name, { epoch }) => parts.isDead(name, epoch),
            nowMs: Date.now,
          })
        : undefined;
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
    wire.events.on("receipt", (receipt) => this.#mail.receiveReceipt(receipt));
    wire.events.on("inbox", (payload) => this.#mail.receive(payload));
    wire.events.on("rejected", ({ topic, error }) => {
      this.#rejected[error.code] = (this.#rejected[error.code] ?? 0) + 1;
      this.#emitFor("rejected", { topic, error });
    });
    wire.link.events.on("up", ({ conn }) => {
      // What belongs to the first connection is done, in order, by whoever makes this membership.
      if (conn > 1) this.#inBackground(this.#onUp());
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
    this.#startTimers();
    this.#mail.resume();
  }

  roster(): RosterEntry[] {
    const { host } = this.#parts.identity;
    const self: RosterEntry = {
      name: this.name,
      presence: this.#presence("online"),
      state: "online",
      isSelf: true,
      isHost: this.kind === "host",
    };
    const others = this.#roster.all().map((life) => this.#describe(life));
    return [self, ...others].sort(
      (a, b) => Number(b.name === host) - Number(a.name === host) || (a.name < b.name ? -1 : 1),
    );
  }

  async confirmRoster(timeoutMs = 1_000): Promise<RosterEntry[]> {
    const doubtful = this.#roster.all().filter((life) => !life.confirmed && life.presence.state === "online");
    await Promise.all(doubtful.map((life) => this.#ping(life, timeoutMs)));
    this.#removeGhosts();
    return this.roster();
  }

  async send(outgoing: Outgoing): Promise<SendOutcome[]> {
    const { network, host } = this.#parts.identity;
    if (this.state === "suspended") {
      throw new PilinkError(
        "network-suspended",
        `Nothing was sent: the network host is offline ("${host}" of the network "${network}"). It can be sent when the host is back.`,
      );
    }
    if (this.state === "closed") {
      throw new PilinkError("network-closed", `Nothing was sent: the network "${network}" is no longer available.`);
    }
    if (this.state === "left") {
      throw new PilinkError("not-joined", `Nothing was sent: "${this.name}" has left the network "${network}".`);
    }
    return this.#mail.send(outgoing);
  }

  sent(): SentEntry[] {
    return this.#parts.outbox.sent();
  }

  inbox(): InboxEntry[] {
    return this.#parts.inbox.entries();
  }

  markInjected(ids: string[], session: string): void {
    this.#mail.mark(ids, "injected", session);
  }

  markSeen(ids: string[]): void {
    this.#mail.mark(ids, "seen");
  }

  releaseSession(session: string): InboxEntry[] {
    return this.#parts.inbox.releaseSession(session);
  }

  describe(changes: { role?: string; model?: string; activity?: string; folder?: string }): void {
    Object.assign(this.#parts.description, changes);
    if (this.#state === "open") this.#inBackground(this.announce());
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
      this.#leaving = this.#depart({ say: true, timeoutMs });
    }
    return this.#leaving;
  }

  #onPresence(name: string, record: Presence | undefined, retained: boolean): void {
    if (this.#state !== "open") return;
    if (name === this.name) this.#ownRecord.check(record);
    if (record !== undefined && record.net !== this.net) this.#onForeign(name, record, retained);
    if (name === this.name) return;
    const change = this.#roster.apply(name, record, retained);
    if (change === undefined) return;
    this.#hosting?.note(change);
    this.#followHost(change);
    this.#tell(change, retained);
    const { presence } = change.life;
    if (presence.state === "online" && change.kind !== "changed" && change.kind !== "departed") {
      this.#mail.resumeTo(name, presence.box);
    }
  }

  #followHost(change: RosterChange): void {
    const { host } = this.#parts.identity;
    if (change.life.name !== host || this.kind === "host") return;
    const gone =
      change.kind === "departed" || (change.kind === "replaced" && change.former.presence.epoch === this.net);
    if (gone) this.#close(`its host "${host}" has left`);
    else if (change.life.presence.epoch !== this.net) return;
    else if (change.life.presence.state === "lost") this.#suspension.suspend();
    else this.#suspension.resume();
  }

  #tell(change: RosterChange, retained: boolean): void {
    const entry = this.#describe(change.life);
    // What the broker held before is no news.
    if (change.kind === "departed") this.#emitFor("departed", entry);
    else if (change.kind === "lost" && !retained) this.#emitFor("lost", entry);
    else if ((change.kind === "joined" || change.kind === "returned") && !retained) this.#emitFor("joined", entry);
    else if (change.kind === "replaced" && !retained) {
      this.#emitFor("departed", this.#describe(change.former));
      this.#emitFor("joined", entry);
    }
    this.#emitFor("roster");
  }

  /** A record of another instance of this network. */
  #onForeign(name: string, record: Presence, retained: boolean): void {
    if (record.kind !== "host" || record.state !== "online") return;
    if (this.kind === "host") {
      // Of two hosts the larger epoch leaves; the other one is told by this birth, if it lives (hazard 3).
      if (record.epoch > this.epoch) this.#ownRecord.repair();
      else this.#inBackground(this.#yieldTo(name, record));
    } else if (name === this.#parts.identity.host || (this.#suspension.isSuspended && !retained)) {
      this.#inBackground(this.#checkSuccessor(name, record));
    }
  }

  async #yieldTo(name: string, record: Presence): Promise<void> {
    const answer = await this.#ask(name, record.net);
    if (answer?.epoch === record.epoch) this.#close(`"${name}" is the older host of a network of the same name`);
  }

  async #checkSuccessor(name: string, record: Presence): Promise<void> {
    const { host } = this.#parts.identity;
    // A former host overwritten by a rival repairs its record: it is asked before it is believed to be gone.
    if (!this.#suspension.isSuspended && (await this.#ask(host, this.net)) !== undefined) return;
    if ((await this.#ask(name, record.net)) === undefined) return;
    this.#close(`"${name}" has created a new network of the same name`);
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
    if (control.type === "ping") this.#inBackground(this.#answerPing(control));
    else if (control.type === "pong") this.#roster.confirm(control.from, control.epoch);
    else if (control.type === "missing") this.#mail.receiveMissing(control.box, control.seqs);
    else if (this.#hosting !== undefined && this.#state === "open") this.#inBackground(this.#hosting.answer(control));
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
    this.#startTimers();
    this.#mail.resume();
    this.#emitFor("connected");
    const host = this.#roster.get(this.#parts.identity.host);
    if (host !== undefined) await this.#ping(host, answerLimitMs);
  }

  #onDown(reason: string): void {
    this.#suspension.setConnected(false);
    clearTimeout(this.#drop);
    this.#emitFor("disconnected", { reason });
  }

  #onEnded(error: PilinkError): void {
    this.#close(error.code === "broker-stopped" ? "the broker was stopped" : error.message);
  }

  #onResumed(): void {
    this.#emitFor("resumed", { host: this.#parts.identity.host });
    this.#mail.resume();
  }

  #onDisplaced(): void {
    if (this.#state !== "open") return;
    this.#state = "left";
    this.#leaving = this.#depart({ say: false, timeoutMs: 800 });
    this.#emitFor(
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
    this.#inBackground(this.#publishMark());
    const record = this.#roster.get(host)?.presence;
    if (record !== undefined) this.#inBackground(clearRecord(this.#parts.wire, host, record));
    this.#close(`its host "${host}" is gone`);
  }

  #close(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#mail.expireAll(`the network was closed: ${reason}`);
    this.#leaving = this.#depart({ say: true, timeoutMs: 800 });
    this.#emitFor("closed", { reason });
  }

  async #depart({ say, timeoutMs }: { say: boolean; timeoutMs: number }): Promise<void> {
    this.#suspension.close();
    this.#ownRecord.close();
    clearTimeout(this.#sweep);
    clearTimeout(this.#drop);
    const { wire, connection, release } = this.#parts;
    const deadline = new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref());
    await Promise.race([this.#sayFarewell(say), deadline]);
    const wasConnected = wire.link.connected;
    await wire.link.close({ graceful: true, timeoutMs: 200 });
    // The broker would keep the session, and queue for it, without end.
    if (wasConnected) await Promise.race([deleteSession(connection).catch(() => undefined), deadline]);
    this.#mail.close();
    await release();
  }

  async #sayFarewell(say: boolean): Promise<void> {
    const { wire } = this.#parts;
    if (!say || !this.#announced || !wire.link.connected) return;
    try {
      if (this.kind === "host") {
        await this.#publishMark();
      }
      await clearRecord(wire, this.name, this.#presence("left"));
    } catch {
      // The connection ended first: the broker publishes the will, and the others draw their conclusion from that.
    }
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

  #startTimers(): void {
    clearTimeout(this.#drop);
    this.#drop = setTimeout(() => this.#dropUnrepeated(), repeatLimitMs);
    this.#drop.unref();
    clearTimeout(this.#sweep);
    this.#sweep = setTimeout(() => this.#sweepRoster(), sweepPauseMs);
    this.#sweep.unref();
  }

  #dropUnrepeated(): void {
    for (const life of this.#roster.dropUnrepeated()) {
      if (life.name === this.#parts.identity.host) this.#suspension.suspend();
      this.#emitFor("departed", this.#describe(life));
    }
    this.#emitFor("roster");
  }

  /** The host looks after the records of those who cannot any more; members only let time pass for the lost. */
  #sweepRoster(): void {
    const nowMs = performance.now();
    for (const life of this.#roster.all()) {
      if (life.presence.state === "lost") this.#roster.ask(life.name, nowMs);
      else if (!life.confirmed && this.kind === "host") this.#inBackground(this.#ping(life, answerLimitMs));
    }
    this.#removeGhosts();
    this.#sweep = setTimeout(() => this.#sweepRoster(), sweepPauseMs);
    this.#sweep.unref();
  }

  #removeGhosts(): void {
    if (!this.#parts.wire.link.connected) return;
    for (const ghost of this.#roster.ghosts(performance.now(), this.#parts.closingMs)) {
      // The end of the host is the end of the network, which the suspension decides.
      if (ghost.name === this.#parts.identity.host) continue;
      this.#roster.remove(ghost.name, ghost.presence.epoch);
      if (this.#hosting !== undefined) this.#inBackground(this.#hosting.clearGhost(ghost.name, ghost.presence));
      this.#emitFor("departed", this.#describe(ghost));
      this.#emitFor("roster");
    }
  }

  async #ping(life: Life, timeoutMs: number): Promise<void> {
    this.#roster.ask(life.name, performance.now());
    await this.#ask(life.name, this.net, timeoutMs);
  }

  #ask(name: string, net: string, timeoutMs = answerLimitMs): ReturnType<Wire["ask"]> {
    const { name: from, epoch } = this;
    return this.#parts.wire.ask(name, { v: protocolVersion, type: "ping", id: newId(), from, epoch, net }, timeoutMs);
  }

  async #askGrant(): Promise<Grant | null | undefined> {
    const { name, epoch, net } = this;
    const { identity, wire } = this.#parts;
    const question = { v: protocolVersion, type: "whose", id: newId(), from: name, epoch, net, name } as const;
    const answer = await wire.ask(identity.host, question, answerLimitMs);
    return answer?.type === "granted" ? answer.to : undefined;
  }

  #presence(state: Presence["state"]): Presence {
    const { identity, description, wire } = this.#parts;
    return makePresence(identity, description, state, wire.link.conn);
  }

  #describe(life: Life): RosterEntry {
    return {
      name: life.name,
      presence: life.presence,
      state: life.presence.state === "online" ? "online" : "lost",
      isSelf: false,
      isHost: life.name === this.#parts.identity.host,
    };
  }

  #networkNowMs(): number {
    return Date.now() + this.#parts.clockOffsetMs;
  }

  /** Work that nobody waits for: a lost connection repeats it when it is back, anything else is said. */
  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (error instanceof PilinkError && error.code === "connection-lost") return;
      const known =
        error instanceof PilinkError ? error : new PilinkError("bad-payload", messageOf(error), { cause: error });
      this.#emitFor("trouble", known);
    });
  }

  /** A listener that throws is a fault of the face; it must not reach the wire, where it would look like a bad payload. */
  #emitFor<Name extends keyof PeerEvents>(name: Name, ...args: PeerEvents[Name]): void {
    try {
      this.events.emit<keyof PeerEvents>(name, ...args);
    } catch (error) {
      queueMicrotask(() => {
        if (name !== "trouble") {
          this.#emitFor(
            "trouble",
            new PilinkError("bad-argument", `A listener of "${name}" failed: ${messageOf(error)}`, { cause: error }),
          );
        }
      });
    }
  }
}
