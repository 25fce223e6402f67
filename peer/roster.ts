import type { Presence } from "../protocol/presence.ts";

/** What the roster holds of one peer. */
export interface Life {
  name: string;
  presence: Presence;
  /** False from the start of a connection until the record came again on it. */
  repeated: boolean;
  /** True once this connection brought proof that the peer lives: a live record, a pong, a message. */
  confirmed: boolean;
  /** Since when the peer has been asked without an answer, on this connection. */
  silentSinceMs: number | undefined;
}

/** What one record changed. */
export type RosterChange =
  | { kind: "joined" | "returned" | "reconnected" | "changed" | "lost" | "departed"; life: Life }
  | { kind: "replaced"; life: Life; former: Life };

// How many ended lives of one name are remembered: as many as a broker could still hold records of.
const endedLimit = 16;

/** A life that is over: what is said of its end does not count again. */
interface Ended {
  presence: Presence;
  superseded: boolean;
}

/**
 * Who is here, derived from the presence records of one instance (topics.md, "Presence"; hazards 4, 5, 10).
 * Pure: it is told what happened and when, and does nothing by itself.
 */
export class Roster {
  readonly #net: string;
  readonly #lives = new Map<string, Life>();
  readonly #ended = new Map<string, Ended[]>();

  /** @param net the instance whose records count */
  constructor(net: string) {
    this.#net = net;
  }

  get(name: string): Life | undefined {
    return this.#lives.get(name);
  }

  all(): Life[] {
    return [...this.#lives.values()];
  }

  /** The record of a life that is here or has ended, by what a message states of its sender. */
  recall(name: string, epoch: string, box: string): Presence | undefined {
    const held = this.#lives.get(name);
    const ended = (this.#ended.get(name) ?? []).map(({ presence }) => presence);
    const known = held === undefined ? ended : [held.presence, ...ended];
    return known.find((presence) => presence.epoch === epoch && presence.box === box);
  }

  /**
   * Takes a record.
   *
   * @param record undefined for an empty one: not preceded by `left` it means nothing ([PRES] in topics.md, hazard 2)
   * @param retained true for what the broker held before the subscription; it proves nothing about now
   */
  apply(name: string, record: Presence | undefined, retained: boolean): RosterChange | undefined {
    if (record === undefined || record.net !== this.#net || this.#hasEnded(name, record)) return undefined;
    const held = this.#lives.get(name);
    const isSameLife = held?.presence.epoch === record.epoch;
    // Only a will can come late: a broker publishes it for a connection that this life has replaced by another one.
    if (isSameLife && record.state === "lost" && record.conn < held.presence.conn) return undefined;
    if (record.state === "left") return this.#remove(name, record);
    if (held !== undefined && !isSameLife) this.#end(name, held.presence, true);
    const life: Life = {
      name,
      // A will says less than a birth: what the birth told about the peer stays known.
      presence: isSameLife && record.state === "lost" ? { ...held.presence, ...record } : record,
      repeated: true,
      confirmed:
        (record.state === "online" && !retained) || (isSameLife && record.state === "online" && held.confirmed),
      silentSinceMs: undefined,
    };
    this.#lives.set(name, life);
    if (record.state === "online") this.#revive(name, record.epoch);
    if (held === undefined) return { kind: record.state === "lost" ? "lost" : "joined", life };
    if (!isSameLife) return { kind: "replaced", life, former: held };
    const { state, conn } = held.presence;
    if (record.state === "lost") return { kind: state === "lost" ? "changed" : "lost", life };
    if (state === "lost") return { kind: "returned", life };
    return { kind: record.conn > conn ? "reconnected" : "changed", life };
  }

  /** A new connection: nothing on it is repeated or confirmed yet. */
  beginConnection(): void {
    for (const life of this.#lives.values()) {
      life.repeated = false;
      life.confirmed = false;
      life.silentSinceMs = undefined;
    }
  }

  /** Removes those whose record did not come again on this connection. @returns who they were */
  dropUnrepeated(): Life[] {
    const dropped = this.all().filter((life) => !life.repeated);
    // Who was only slow to return is no ended life: its next birth counts.
    for (const life of dropped) this.#lives.delete(life.name);
    return dropped;
  }

  /** Something showed that this life is here now. */
  confirm(name: string, epoch: string): void {
    const life = this.#lives.get(name);
    if (life?.presence.epoch !== epoch) return;
    life.confirmed = true;
    life.repeated = true;
    life.silentSinceMs = undefined;
  }

  /** Notes that a life was asked for a sign. @param nowMs any monotonous time, in milliseconds */
  ask(name: string, nowMs: number): void {
    const life = this.#lives.get(name);
    if (life !== undefined) life.silentSinceMs ??= nowMs;
  }

  /**
   * Those whose silence is death by now (hazard 2).
   *
   * @param nowMs the time as given to {@link ask}
   * @param closingMs how long a `lost` peer may still return
   */
  ghosts(nowMs: number, closingMs: number): Life[] {
    return this.all().filter(
      (life) =>
        life.silentSinceMs !== undefined && nowMs - life.silentSinceMs >= ghostAfterMs(life.presence, closingMs),
    );
  }

  /** Takes a life out: only a later birth brings it back. */
  remove(name: string, epoch: string): Life | undefined {
    const life = this.#lives.get(name);
    if (life?.presence.epoch !== epoch) return undefined;
    this.#lives.delete(name);
    this.#end(name, life.presence, false);
    return life;
  }

  #remove(name: string, record: Presence): RosterChange | undefined {
    const held = this.#lives.get(name);
    this.#lives.delete(name);
    this.#end(name, record, false);
    if (held === undefined) return undefined;
    if (held.presence.epoch !== record.epoch) this.#end(name, held.presence, true);
    return { kind: "departed", life: held };
  }

  /** A birth always counts: a peer whose record somebody overwrote publishes it again, with the epoch it has. */
  #hasEnded(name: string, { state, epoch, conn }: Presence): boolean {
    const ended = this.#ended.get(name)?.find(({ presence }) => presence.epoch === epoch);
    return state !== "online" && ended !== undefined && (ended.superseded || conn <= ended.presence.conn);
  }

  #revive(name: string, epoch: string): void {
    const ended = this.#ended.get(name);
    if (ended === undefined) return;
    this.#ended.set(
      name,
      ended.filter(({ presence }) => presence.epoch !== epoch),
    );
  }

  #end(name: string, presence: Presence, superseded: boolean): void {
    const others = (this.#ended.get(name) ?? []).filter((ended) => ended.presence.epoch !== presence.epoch);
    this.#ended.set(name, [...others, { presence, superseded }].slice(-endedLimit));
  }
}

/**
 * How long a record may stay unanswered before it is a ghost's (topics.md, "Presence"; hazard 2).
 *
 * @param closingMs how long a `lost` peer may still return
 */
export function ghostAfterMs(presence: Presence, closingMs: number): number {
  return presence.state === "lost" ? closingMs : 1.5 * presence.keepalive + 5_000;
}
