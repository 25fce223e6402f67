import type { Peer, PeerEvents } from "../peer/peer.ts";
import { cleanLine } from "../protocol/clean.ts";

/** How a notice is shown. */
export type NoticeType = "info" | "warning" | "error";

/** What following a peer needs. */
export interface FollowPort {
  say(text: string, type: NoticeType): void;
  /** Something that the footer shows may have changed. */
  onChanged(): void;
  onMessage(): void;
  /** The network has ended, or this agent was displaced. */
  onEnded(): void;
}

/**
 * Tells the person what happens in the network, where it matters. Nothing of it enters the model's context.
 *
 * @returns ends it
 */
export function followPeer(peer: Peer, port: FollowPort): () => void {
  const { network } = peer;
  const listeners: { [Name in keyof PeerEvents]?: (...args: PeerEvents[Name]) => void } = {
    message: () => port.onMessage(),
    joined: ({ name, presence }) =>
      port.say(
        `"${name}"${presence.role === undefined ? "" : ` (${cleanLine(presence.role, 60)})`} joined the network "${network}".`,
        "info",
      ),
    departed: ({ name }) => port.say(`"${name}" left the network "${network}".`, "info"),
    lost: ({ name, isHost }) => {
      // The loss of the host is told by `suspended` or `closed`.
      if (!isHost) port.say(`"${name}" in the network "${network}" has lost its connection; it may return.`, "warning");
    },
    suspended: ({ host }) =>
      port.say(
        `Network host is offline: "${host}" of the network "${network}". Nothing can be sent until it returns.`,
        "warning",
      ),
    resumed: ({ host }) => port.say(`The host "${host}" of the network "${network}" is back.`, "info"),
    closed: ({ reason }) => {
      port.say(
        `This network is no longer available. Run /pilink setup to start or join a new network. ("${network}": ${reason}.)`,
        "warning",
      );
      port.onEnded();
    },
    displaced: (error) => {
      port.say(error.message, "error");
      port.onEnded();
    },
    trouble: (error) => port.say(error.message, "warning"),
  };
  const changing = [
    "message",
    "roster",
    "suspended",
    "resumed",
    "closed",
    "connected",
    "disconnected",
    "displaced",
  ] as const;
  const onChanged = () => port.onChanged();
  const ends: (() => void)[] = [];
  const follow = <Name extends keyof PeerEvents>(name: Name) => {
    const listener = listeners[name];
    if (listener === undefined) return;
    // The emitter's own types lose the tie between a name and its arguments; this wrapper keeps it.
    const relay = (...args: PeerEvents[Name]) => listener(...args);
    Reflect.apply(peer.events.on, peer.events, [name, relay]);
    ends.push(() => Reflect.apply(peer.events.off, peer.events, [name, relay]));
  };
  follow("message");
  follow("joined");
  follow("departed");
  follow("lost");
  follow("suspended");
  follow("resumed");
  follow("closed");
  follow("displaced");
  follow("trouble");
  for (const name of changing) {
    peer.events.on(name, onChanged);
    ends.push(() => peer.events.off(name, onChanged));
  }
  return () => {
    for (const end of ends) end();
  };
}
