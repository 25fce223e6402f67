import type { Peer } from "../peer/peer.ts";
import type { Carried, NoticeType } from "./connection.ts";
import { followPeer } from "./notices.ts";

/**
 * Listens to the peer for one runtime of the extension. It holds on to nothing of Pi: what it hears goes to the session
 * of the moment.
 */
export class Following {
  readonly #carried: Carried;
  readonly #say: (text: string, type: NoticeType) => void;
  #followed: Peer | undefined;

  /** @param say shows a notice that no later one replaces */
  constructor(carried: Carried, say: (text: string, type: NoticeType) => void) {
    this.#carried = carried;
    this.#say = say;
  }

  /** Listens to a peer from now on, instead of a former runtime. Idempotent. */
  follow(peer: Peer): void {
    if (this.#followed === peer) return;
    const carried = this.#carried;
    carried.unfollow?.();
    this.#followed = peer;
    for (const { id, state, reason } of peer.sent()) carried.sentStates.set(id, { state, reason });
    const refresh = () => carried.attachment?.refresh();
    const unfollow = followPeer(peer, {
      say: this.#say,
      onSent: ({ id, state, reason }) => carried.sentStates.set(id, { state, reason }),
      onChanged: refresh,
      onDisplaced: () => this.forget(),
    });
    // What the footer says depends on how wide the terminal is.
    process.stdout.on("resize", refresh);
    carried.unfollow = () => {
      process.stdout.off("resize", refresh);
      unfollow();
    };
  }

  /** The peer is in no network any more. */
  forget(): void {
    const carried = this.#carried;
    carried.unfollow?.();
    carried.unfollow = undefined;
    carried.connection = undefined;
    this.#followed = undefined;
    carried.attachment?.refresh();
  }
}
