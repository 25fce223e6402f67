import { newId } from "../protocol/ids.ts";
import { protocolVersion } from "../protocol/version.ts";
import { answerLimitMs } from "./entrance.ts";
import type { Identity } from "./identity.ts";
import { ghostAfterMs, type Life, type Roster } from "./roster.ts";
import type { Wire } from "./wire.ts";

// Hazard 5: a record that did not come again this long after a connect is gone from the broker.
const repeatLimitMs = 5_000;
const sweepPauseMs = 5_000;
// Who wants to join is answered within 3 s, and this is only the last look after a long silence.
const lastLookMs = 1_000;
// How many peers the members of a network ask in one sweep, all of them together: a hundred, or one by each.
const askedPerSweep = 100;

/** What the care for the roster needs of its surroundings. */
export interface RosterCarePort {
  identity: Identity;
  wire: Wire;
  roster: Roster;
  closingMs: number;
  /** A record did not come again after a connect. */
  onDropped(life: Life): void;
  /** A record belongs to nobody any more; it is out of the roster. */
  onGhost(life: Life): void;
  /** The host has been silent for so long that its record is a ghost's. It stays in the roster, for it may return. */
  onHostSilent(): void;
}

/** Keeps the roster true over time: asks those in doubt, and removes those who are gone without a word. */
export class RosterCare {
  readonly #port: RosterCarePort;
  readonly #dropped = new Map<string, { life: Life; sinceMs: number }>();
  /** Since when a life is in doubt on this connection, by epoch. */
  readonly #doubted = new Map<string, number>();
  #sweep: NodeJS.Timeout | undefined;
  #drop: NodeJS.Timeout | undefined;

  constructor(port: RosterCarePort) {
    this.#port = port;
  }

  /** A connection has begun, and the presence subscription with it. */
  begin(): void {
    this.close();
    // Silence counts on one unbroken connection only.
    for (const dropped of this.#dropped.values()) dropped.sinceMs = performance.now();
    this.#doubted.clear();
    this.#drop = setTimeout(() => {
      for (const life of this.#port.roster.dropUnrepeated()) {
        this.#dropped.set(life.name, { life, sinceMs: performance.now() });
        this.#port.onDropped(life);
      }
    }, repeatLimitMs);
    this.#drop.unref();
    this.#scheduleSweep();
  }

  /** The connection has ended: nobody can be asked, and no silence counts. */
  pause(): void {
    clearTimeout(this.#drop);
  }

  /** Ends every timer. Idempotent. */
  close(): void {
    clearTimeout(this.#sweep);
    clearTimeout(this.#drop);
  }

  /** Whether a life whose record was dropped has been silent for so long by now that its name is free ([PRES-16]). */
  async isGone(name: string, epoch: string): Promise<boolean> {
    const { roster, identity, wire, closingMs } = this.#port;
    const dropped = this.#dropped.get(name);
    if (dropped?.life.presence.epoch !== epoch || roster.get(name) !== undefined || !wire.link.connected) return false;
    if (performance.now() - dropped.sinceMs < ghostAfterMs(dropped.life.presence, closingMs)) return false;
    return (await this.ask(name, identity.net, lastLookMs)) === undefined;
  }

  /** Asks everybody in doubt, and removes the ghosts. */
  async confirm(timeoutMs: number): Promise<void> {
    const doubtful = this.#port.roster.all().filter((life) => !life.confirmed && life.presence.state === "online");
    await Promise.all(doubtful.map((life) => this.ping(life, timeoutMs)));
    this.#removeGhosts();
  }

  /** Asks one peer for a sign, and notes that it was asked. */
  async ping(life: Life, timeoutMs: number): Promise<void> {
    this.#port.roster.ask(life.name, performance.now());
    await this.ask(life.name, this.#port.identity.net, timeoutMs);
  }

  /**
   * Asks whoever answers under a name for a sign of an instance.
   *
   * @returns undefined where nobody of that instance answers
   */
  ask(name: string, net: string, timeoutMs = answerLimitMs): ReturnType<Wire["ask"]> {
    const { name: from, epoch } = this.#port.identity;
    return this.#port.wire.ask(name, { v: protocolVersion, type: "ping", id: newId(), from, epoch, net }, timeoutMs);
  }

  #scheduleSweep(): void {
    clearTimeout(this.#sweep);
    this.#sweep = setTimeout(() => {
      this.#sweepNow();
      this.#scheduleSweep();
    }, sweepPauseMs);
    this.#sweep.unref();
  }

  /**
   * The host asks those in doubt for everybody, a member the host: if each asked each, it would grow with the square.
   * A ghost that the host could not clear is one that a member has to find by itself.
   */
  #sweepNow(): void {
    const { roster, wire } = this.#port;
    const nowMs = performance.now();
    const lives = roster.all();
    const leftOver: Life[] = [];
    for (const life of lives) {
      if (life.presence.state === "lost") roster.ask(life.name, nowMs);
      else if (life.confirmed) this.#doubted.delete(life.presence.epoch);
      else if (wire.link.connected && this.#isMine(life)) this.#pingInBackground(life);
      else if (wire.link.connected && this.#isLeftOver(life, nowMs)) {
        // Who was asked once is asked until there is an answer, or the silence is long enough.
        if (life.silentSinceMs === undefined) leftOver.push(life);
        else this.#pingInBackground(life);
      }
    }
    // Whoever was here before and lives is known by its record only: all of them are asked in the course of time.
    for (const life of pickSome(leftOver, Math.ceil(askedPerSweep / lives.length))) this.#pingInBackground(life);
    this.#removeGhosts();
  }

  #pingInBackground(life: Life): void {
    // Without an answer the silence is noted in the roster, which is all there is to do.
    this.ping(life, answerLimitMs).catch(() => undefined);
  }

  #isMine(life: Life): boolean {
    const { identity } = this.#port;
    return identity.kind === "host" || life.name === identity.host;
  }

  /** Whether the host has had the time to find this one a ghost, and to clear its record. */
  #isLeftOver({ presence }: Life, nowMs: number): boolean {
    const sinceMs = this.#doubted.get(presence.epoch) ?? nowMs;
    this.#doubted.set(presence.epoch, sinceMs);
    return nowMs - sinceMs >= ghostAfterMs(presence, this.#port.closingMs) + sweepPauseMs;
  }

  #removeGhosts(): void {
    const { roster, identity, wire, closingMs } = this.#port;
    if (!wire.link.connected) return;
    for (const ghost of roster.ghosts(performance.now(), closingMs)) {
      if (ghost.name === identity.host) {
        // The end of the host is the end of the network, which the suspension decides.
        this.#port.onHostSilent();
        continue;
      }
      roster.remove(ghost.name, ghost.presence.epoch);
      this.#port.onGhost(ghost);
    }
  }
}

/** So many of them, chosen by chance; all where there are no more. */
function pickSome<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  const start = Math.floor(Math.random() * items.length);
  return Array.from({ length: count }, (_, step) => items[(start + step) % items.length]).filter(
    (item) => item !== undefined,
  );
}
