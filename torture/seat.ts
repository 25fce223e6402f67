import { setTimeout as pause } from "node:timers/promises";
import type { TcpProxy } from "../test/support/network.ts";
import { type Actor, ActorError, startActor } from "./actor.ts";
import type { Look } from "./actor-wire.ts";
import type { DisorderProxy } from "./disorder-proxy.ts";
import type { Note } from "./history.ts";

/** One place of a network: its line to the broker, its process, and where it keeps its state. */
export interface SeatSetting {
  network: string;
  name: string;
  historyPath: string;
  note: Note;
  line: TcpProxy;
  disorder: DisorderProxy;
  /** The homes of the two that carry this name in turn: a person's machine, and another's. */
  homes: readonly [string, string];
  keepaliveMs: number;
  closingMs: number;
  /** Hand every message to a session at once. */
  injects: boolean;
  /** Whether it is this one's turn to create the network. */
  creates(): boolean;
}

// A peer that was refused tries again: soon enough to be there, and not so often that it is all that happens.
const retryPauseMs = 500;

/** Keeps one place taken: starts its process again when it ended, enters again when the network ended. */
export class Seat {
  readonly setting: SeatSetting;
  #actor: Actor | undefined;
  #isIn = false;
  #machine = 0;
  #ended = false;
  #running: Promise<void> | undefined;
  #awayUntilMs = 0;
  #departures = 0;

  constructor(setting: SeatSetting) {
    this.setting = setting;
  }

  /** Begins to keep the place taken. */
  start(): void {
    this.#running = this.#run();
  }

  /** Kills the process, and begins a new one after a while. */
  crash(awayMs: number): Promise<void> {
    return this.#away(awayMs, () => this.#kill());
  }

  /** Leaves in good order, and enters again after a while. */
  leave(awayMs: number): Promise<void> {
    return this.#away(awayMs, () => this.#leave());
  }

  /** Goes for ever; another takes the name, with another box. */
  replace(awayMs: number, crashes: boolean): Promise<void> {
    return this.#away(awayMs, async () => {
      this.#machine = 1 - this.#machine;
      if (!crashes) await this.#leave();
      await this.#kill();
    });
  }

  freeze(): void {
    this.#actor?.freeze();
  }

  thaw(): void {
    this.#actor?.thaw();
  }

  /** Sends, if this one is in its network at this moment. */
  send(
    to: string[] | "all",
    token: string,
    message: { padBytes: number; ttlMs: number | null; answers: boolean },
  ): void {
    if (!this.#isIn) return;
    // What became of it is in the history; the end of the process is there as well.
    const { padBytes, ttlMs, answers } = message;
    this.#actor?.ask({ call: "send", to, token, padBytes, ttlMs, answers }).catch(() => undefined);
  }

  /** What it sees, undefined where it is not in its network. */
  async look(): Promise<Look | undefined> {
    if (!this.#isIn || this.#actor === undefined) return undefined;
    return (await this.#actor.ask({ call: "look" }).catch(() => null)) ?? undefined;
  }

  /** Says once more what it knows; nothing is entered any more. */
  async testify(): Promise<void> {
    this.#ended = true;
    await this.#actor?.ask({ call: "testify" }).catch(() => undefined);
  }

  /** Ends the process, after {@link testify}. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#kill();
    await this.#running;
  }

  /** Nothing is entered while something else is done, and for a while afterwards. */
  async #away(awayMs: number, work: () => Promise<void>): Promise<void> {
    this.#departures += 1;
    try {
      await work();
    } finally {
      this.#departures -= 1;
      this.#awayUntilMs = Math.max(this.#awayUntilMs, performance.now() + awayMs);
    }
  }

  async #leave(): Promise<void> {
    this.#isIn = false;
    await this.#actor?.ask({ call: "leave" }).catch(() => undefined);
  }

  async #kill(): Promise<void> {
    const actor = this.#actor;
    this.#actor = undefined;
    this.#isIn = false;
    await actor?.kill();
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      if (this.#isIn || this.#departures > 0 || performance.now() < this.#awayUntilMs) {
        await pause(50);
        continue;
      }
      await this.#enter();
      if (!this.#isIn && !this.#ended) await pause(retryPauseMs);
    }
  }

  async #enter(): Promise<void> {
    const actor = this.#actor ?? (await this.#begin());
    if (this.#ended) return this.#kill();
    const { network, name, homes, line, keepaliveMs, closingMs, injects, creates } = this.setting;
    const home = homes[this.#machine] ?? homes[0];
    const url = `mqtt://127.0.0.1:${line.port}`;
    const options = { network, name, home, url, folder: `/projects/${network}`, keepaliveMs, closingMs };
    try {
      await actor.ask({ call: "enter", options, creates: creates(), injects });
      // It may have been killed, or have left again, in the meantime.
      if (this.#actor === actor) this.#isIn = true;
    } catch (error) {
      if (!(error instanceof ActorError)) throw error;
    }
  }

  async #begin(): Promise<Actor> {
    const { network, name, historyPath, note } = this.setting;
    const actor = await startActor({
      historyPath,
      network,
      name,
      onOut: () => {
        if (this.#actor === actor) this.#isIn = false;
      },
      onEnded: (expected, detail) => {
        if (this.#actor === actor) {
          this.#actor = undefined;
          this.#isIn = false;
        }
        note({ kind: "ended", network, name, expected, detail });
      },
    });
    this.#actor = actor;
    return actor;
  }
}
