import type { InboxEntry, Peer } from "../peer/peer.ts";
import { type Decision, decide } from "../peer/preferences.ts";
import { count, describeSenders } from "../peer/texts.ts";
import type { Carried } from "./connection.ts";

// Many that come at once are told in one notice.
const noticeMs = 300;

/** Tells the person of messages that wait for its word. */
export class HeldNotices {
  readonly #carried: Carried;
  readonly #say: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param carried holds the preferences, and of which messages the person has been told
   * @param say shows a notice
   */
  constructor(carried: Carried, say: (text: string) => void) {
    this.#carried = carried;
    this.#say = say;
  }

  /** What happens with a message now. */
  decide(entry: InboxEntry): Decision {
    const { connection } = this.#carried;
    if (connection === undefined) return { delivery: "hold", because: "delivery" };
    return decide(connection.preferences, connection.peer.network, entry);
  }

  /** Looks for held messages of which the person has not been told. */
  look(peer: Peer): void {
    if (this.#timer !== undefined || this.#untold(peer).length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tell(peer);
    }, noticeMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #untold(peer: Peer): InboxEntry[] {
    const { toldHeld } = this.#carried;
    return peer
      .unread()
      .filter(
        (entry) => entry.attention === "new" && !toldHeld.has(entry.id) && this.decide(entry).delivery === "hold",
      );
  }

  #tell(peer: Peer): void {
    const held = this.#untold(peer);
    if (held.length === 0) return;
    for (const { id } of held) this.#carried.toldHeld.add(id);
    const isLoop = held.some((entry) => {
      const decision = this.decide(entry);
      return decision.delivery === "hold" && decision.because === "hops";
    });
    const [are, them] = held.length === 1 ? ["is", "it"] : ["are", "them"];
    const why = isLoop ? " Agents have passed it on to each other many times without a word of a person." : "";
    this.#say(
      `${count(held.length, "message")} from ${describeSenders(held)} in the network "${peer.network}" ${are} held.${why} /pilink inbox shows ${them}, /pilink go gives ${them} to the model.`,
    );
  }
}
