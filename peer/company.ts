import type { Control } from "../protocol/control.ts";
import type { Presence } from "../protocol/presence.ts";
import type { Hosting } from "./hosting.ts";
import type { Identity } from "./identity.ts";
import type { Naming } from "./naming.ts";
import type { Outlet } from "./outlet.ts";
import type { RosterEntry } from "./peer.ts";
import { type Life, Roster, type RosterChange } from "./roster.ts";
import { RosterCare } from "./roster-care.ts";
import { describeLife, listRoster } from "./view.ts";
import type { Answer, Wire } from "./wire.ts";

// A host that is there answers within a round trip; one that has left never does.
const departureLimitMs = 1_000;

/** What the company needs of its surroundings. */
export interface CompanyPort {
  identity: Identity;
  wire: Wire;
  outlet: Outlet;
  closingMs: number;
  isOpen(): boolean;
  naming(): Naming;
  /** Where this peer is the host itself. */
  hosting(): Hosting | undefined;
  onHost(news: "lost" | "back" | "left"): void;
  /** A peer was born, or has connected again. */
  onBorn(name: string, presence: Presence): void;
}

/** The other peers of the network: their records judged, kept true, and told of (topics.md, "Presence"). */
export class Company {
  readonly #port: CompanyPort;
  readonly roster: Roster;
  readonly #care: RosterCare;

  constructor(port: CompanyPort) {
    this.#port = port;
    this.roster = new Roster(port.identity.net);
    this.#care = new RosterCare({
      identity: port.identity,
      wire: port.wire,
      roster: this.roster,
      closingMs: port.closingMs,
      onDropped: (life) => this.#onDropped(life),
      onGhost: (life) => this.#onGhost(life),
      onHostSilent: () => port.onHost("lost"),
    });
  }

  /** Everybody, this peer included, with its own record as given. */
  list(own: Presence): RosterEntry[] {
    return listRoster(this.#port.identity, own, this.roster.all());
  }

  /** The names of the others. */
  names(): string[] {
    return this.roster.all().map((life) => life.name);
  }

  /** A connection has begun, and the presence subscription with it. */
  begin(): void {
    this.#care.begin();
  }

  /** The connection has ended. */
  pause(): void {
    this.#care.pause();
  }

  close(): void {
    this.#care.close();
  }

  /** Asks those in doubt, and removes the ghosts. */
  confirm(timeoutMs: number): Promise<void> {
    return this.#care.confirm(timeoutMs);
  }

  /** Whether a life that was dropped from the roster is a ghost by now. */
  isGone(name: string, epoch: string): boolean | Promise<boolean> {
    return this.#care.isGone(name, epoch);
  }

  /** Asks whoever answers under a name for a sign of an instance. */
  ask(name: string, net: string): Promise<Answer | undefined> {
    return this.#care.ask(name, net);
  }

  /** Asks the host for a sign of life, and notes its silence. */
  async pingHost(timeoutMs: number): Promise<void> {
    const life = this.roster.get(this.#port.identity.host);
    if (life !== undefined) await this.#care.ping(life, timeoutMs);
  }

  /** Takes another peer's record. */
  take(name: string, record: Presence | undefined, retained: boolean): void {
    const { identity, outlet } = this.#port;
    // The host's epoch is the instance: another life under its name is no host of this one.
    if (name === identity.host && record?.epoch !== identity.net) return;
    const held = this.roster.get(name)?.presence;
    const isContested =
      record?.net === identity.net &&
      record.state === "online" &&
      held?.state === "online" &&
      held.epoch !== record.epoch;
    if (isContested) outlet.inBackground(this.#judgeContest(name, record, retained));
    else this.#apply(name, record, retained);
  }

  /** Takes a sign of life. */
  takePong({ from, epoch }: Extract<Control, { type: "pong" }>): void {
    const { host, net } = this.#port.identity;
    this.roster.confirm(from, epoch);
    // A host that was taken for a ghost, and is none.
    if (from === host && epoch === net && this.roster.get(host)?.presence.state === "online") this.#port.onHost("back");
  }

  /** Two lives of one name that both seem to be here: the one that was granted the name is (hazard 8). */
  async #judgeContest(name: string, record: Presence, retained: boolean): Promise<void> {
    if (await this.#port.naming().mayCarry(name, record)) this.#apply(name, record, retained);
  }

  #apply(name: string, record: Presence | undefined, retained: boolean): void {
    if (!this.#port.isOpen()) return;
    const change = this.roster.apply(name, record, retained);
    if (change === undefined) return;
    this.#port.hosting()?.note(change);
    this.#followHost(change);
    this.#tell(change, retained);
    const { presence } = change.life;
    if (presence.state === "online" && change.kind !== "changed" && change.kind !== "departed") {
      this.#port.onBorn(name, presence);
    }
  }

  #followHost(change: RosterChange): void {
    if (change.life.name !== this.#port.identity.host) return;
    if (change.kind === "departed") this.#port.outlet.inBackground(this.#judgeDeparture());
    else this.#port.onHost(change.life.presence.state === "lost" ? "lost" : "back");
  }

  /** A host that leaves says so by the closing mark first. A `left` without one may be anybody's: the host is asked. */
  async #judgeDeparture(): Promise<void> {
    const { host, net } = this.#port.identity;
    if ((await this.#care.ask(host, net, departureLimitMs)) === undefined) this.#port.onHost("left");
  }

  #tell(change: RosterChange, retained: boolean): void {
    // What the broker held before is no news.
    if (!retained || change.kind === "departed") this.#tellNews(change);
    this.#port.outlet.emit("roster");
  }

  #tellNews(change: RosterChange): void {
    const { outlet } = this.#port;
    const entry = this.#describe(change.life);
    if (change.kind === "departed" || change.kind === "lost" || change.kind === "joined")
      outlet.emit(change.kind, entry);
    else if (isReturn(change)) outlet.emit("returned", entry);
    else if (change.kind === "replaced") {
      outlet.emit("departed", this.#describe(change.former));
      outlet.emit("joined", entry);
    }
  }

  #onDropped(life: Life): void {
    if (life.name === this.#port.identity.host) this.#port.onHost("lost");
    this.#tell({ kind: "departed", life }, false);
  }

  #onGhost(life: Life): void {
    const hosting = this.#port.hosting();
    if (hosting !== undefined) this.#port.outlet.inBackground(hosting.clearGhost(life.name, life.presence));
    this.#tell({ kind: "departed", life }, false);
  }

  #describe(life: Life): RosterEntry {
    return describeLife(this.#port.identity, life);
  }
}

/** Whoever has the box has the name and the mail of the life before: for everybody else it is the same agent. */
function isReturn(change: RosterChange): boolean {
  if (change.kind === "replaced") return change.former.presence.box === change.life.presence.box;
  return change.kind === "returned";
}
