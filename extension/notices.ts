import type { Peer, PeerEvents } from "../peer/peer.ts";
import { cleanLine } from "../protocol/clean.ts";
import type { NoticeType } from "./connection.ts";

/** What following a peer needs. */
export interface FollowPort {
  say(text: string, type: NoticeType): void;
  /** Something has changed that is shown, or that the session should get. */
  onChanged(): void;
  /** Another life was granted this agent's name: it is in no network any more. */
  onDisplaced(): void;
}

type Listeners = { [Name in keyof PeerEvents]?: (...args: PeerEvents[Name]) => void };

const changing = [
  "message",
  "roster",
  "suspended",
  "resumed",
  "closed",
  "connected",
  "disconnected",
  "sent",
] as const satisfies readonly (keyof PeerEvents)[];

/**
 * Tells the person what happens in the network, where it matters. Nothing of it enters the model's context.
 *
 * @returns ends it
 */
export function followPeer(peer: Peer, port: FollowPort): () => void {
  const ends: (() => void)[] = [];
  const listen = <Name extends keyof PeerEvents>(name: Name, listener: Listeners[Name]) => {
    if (listener === undefined) return;
    // The emitter's own types lose the tie between a name and its arguments; this wrapper keeps it.
    const relay = (...args: PeerEvents[Name]) => listener(...args);
    Reflect.apply(peer.events.on, peer.events, [name, relay]);
    ends.push(() => Reflect.apply(peer.events.off, peer.events, [name, relay]));
  };
  const told = makeNotices(peer, port);
  listen("joined", told.joined);
  listen("departed", told.departed);
  listen("lost", told.lost);
  listen("suspended", told.suspended);
  listen("resumed", told.resumed);
  listen("closed", told.closed);
  listen("displaced", told.displaced);
  listen("trouble", told.trouble);
  for (const name of changing) listen(name, () => port.onChanged());
  return () => {
    for (const end of ends) end();
  };
}

function makeNotices({ network }: Peer, port: FollowPort): Listeners {
  return {
    joined: ({ name, presence: { role } }) =>
      port.say(
        `"${name}"${role === undefined ? "" : ` (${cleanLine(role, 60)})`} joined the network "${network}".`,
        "info",
      ),
    departed: ({ name, isHost }) => {
      // What the host's departure means is told by `closed`.
      if (!isHost) port.say(`"${name}" left the network "${network}".`, "info");
    },
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
    closed: ({ reason }) =>
      port.say(
        `This network is no longer available. Run /pilink setup to start or join a new network. ("${network}": ${cleanLine(reason, 200)}.)`,
        "warning",
      ),
    displaced: (error) => {
      port.onDisplaced();
      port.say(error.message, "error");
    },
    trouble: (error) => port.say(error.message, "warning"),
  };
}
