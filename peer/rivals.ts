import type { Presence } from "../protocol/presence.ts";
import type { Identity } from "./identity.ts";
import type { Answer } from "./wire.ts";

/** What the judgement of rivals needs of its surroundings. */
export interface RivalsPort {
  identity: Identity;
  isSuspended(): boolean;
  /** Asks whoever answers under a name for a sign of an instance. */
  ask(name: string, net: string): Promise<Answer | undefined>;
  /** Publishes the own birth again. */
  repair(): void;
  close(reason: string): void;
  inBackground(work: Promise<unknown>): void;
}

/** Judges hosts of other instances of the same network: one instance stays (topics.md, "Entering a network"; hazard 3). */
export class Rivals {
  readonly #port: RivalsPort;

  constructor(port: RivalsPort) {
    this.#port = port;
  }

  /** Takes a record of another instance. */
  note(name: string, record: Presence, retained: boolean): void {
    if (record.kind !== "host" || record.state !== "online") return;
    const { identity, isSuspended, repair, inBackground } = this.#port;
    if (identity.kind === "host") {
      // Of two hosts the larger epoch leaves; a younger one is told by this birth, if it lives.
      if (record.epoch > identity.epoch) repair();
      else inBackground(this.#yieldTo(name, record));
    } else if (name === identity.host || (isSuspended() && !retained)) {
      inBackground(this.#judgeSuccessor(name, record));
    }
  }

  async #yieldTo(name: string, record: Presence): Promise<void> {
    const answer = await this.#port.ask(name, record.net);
    if (answer?.epoch === record.epoch) this.#port.close(`"${name}" is the older host of a network of the same name`);
  }

  async #judgeSuccessor(name: string, record: Presence): Promise<void> {
    const { identity, isSuspended, ask, close } = this.#port;
    // A host that a rival overwrote repairs its record: it is asked before it is believed to be gone.
    if (!isSuspended() && (await ask(identity.host, identity.net)) !== undefined) return;
    if ((await ask(name, record.net)) === undefined) return;
    close(`"${name}" has created a new network of the same name`);
  }
}
