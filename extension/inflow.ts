import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import type { InboxEntry, Peer } from "../peer/peer.ts";
import type { Decision } from "../peer/preferences.ts";
import type { Carried } from "./connection.ts";
import { HeldNotices } from "./held.ts";
import { giveAgain, type InjectionTarget, injectWaiting, startTurn } from "./injection.ts";
import type { Phase } from "./phase.ts";
import { isPending } from "./reading.ts";

// A session that can take no message tells nobody when it can again in every case: it is asked.
const retryMs = 100;

/** The session that messages are put into, and whether it is idle. */
interface Place extends InjectionTarget {
  ctx: InjectionTarget["ctx"] & Pick<ExtensionContext, "isIdle">;
}

/** What the flow of messages into a session needs of its surroundings. */
export interface InflowPort {
  /** Shows a warning. */
  warn(text: string): void;
  /** Called when a session that could take nothing is to be looked at again. */
  onRetry(): void;
}

/** Puts what has arrived into one session, as its delivery and the session permit. */
export class Inflow {
  readonly #phase: Phase;
  readonly #port: InflowPort;
  readonly #held: HeldNotices;
  #retry: NodeJS.Timeout | undefined;

  constructor(carried: Carried, phase: Phase, port: InflowPort) {
    this.#phase = phase;
    this.#port = port;
    this.#held = new HeldNotices(carried, (text) => port.warn(text));
  }

  /** Looks for what waits: puts it into the session, or tells the person that it is held. */
  look(peer: Peer, place: Place): void {
    if (!this.#phase.isSettling) this.#inject(peer, place, (entry) => this.#held.decide(entry));
    this.#held.look(peer);
  }

  /**
   * Starts one turn on the messages that no model has read, also on those that are held.
   *
   * @param id the one message to start it on, whatever became of it before
   * @returns them; nothing was started where there are none
   */
  go(peer: Peer, place: Place, id?: string): InboxEntry[] {
    const entries = peer.inbox().filter((entry) => (id === undefined ? isPending(entry) : entry.id === id));
    if (entries.length === 0) return [];
    giveAgain(peer, place, entries);
    const wanted = new Set(entries.map((entry) => entry.id));
    this.#inject(peer, place, (entry) => ({
      delivery: wanted.has(entry.id) ? "inject" : "hold",
      because: "delivery",
    }));
    startTurn(place.pi, entries, peer.state === "active");
    return entries;
  }

  /** The session ends. */
  close(): void {
    clearTimeout(this.#retry);
    this.#held.close();
  }

  #inject(peer: Peer, place: Place, decide: (entry: InboxEntry) => Decision): void {
    if (peer.status().unread === 0) return;
    if (this.#phase.canTake(place.ctx)) {
      const { isTurnEnd } = this.#phase;
      injectWaiting(peer, place, { isIdle: place.ctx.isIdle(), isTurnEnd, decide });
      return;
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#port.onRetry(), retryMs).unref();
  }
}
