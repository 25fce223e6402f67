import type { Peer, PeerEvents, RosterEntry, SentEntry } from "../peer/peer.ts";
import { count } from "../peer/texts.ts";
import { cleanLine } from "../protocol/clean.ts";
import type { NoticeType } from "./connection.ts";
import { Gathering } from "./gathering.ts";

/** What following a peer needs. */
export interface FollowPort {
  say(text: string, type: NoticeType): void;
  /** The state of a message that this agent sent has moved on; `onChanged` follows. */
  onSent(entry: SentEntry): void;
  /** Something has changed that is shown, or that the session should get. */
  onChanged(): void;
  /** Another life was granted this agent's name: it is in no network any more. */
  onDisplaced(): void;
}

type Listeners = { [Name in keyof PeerEvents]?: (...args: PeerEvents[Name]) => void };

// Whoever sends waits 5 s for the answer: what is found out within them stands in the answer.
const answeredMs = 6_000;
// More names than these are not read, but counted.
const namesLimit = 3;

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
 * Tells the person what happens in the network, where it matters. Nothing of it enters the model's context. What several
 * agents do at once is told in one notice.
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
  const moves = new Gathering<Move, RosterEntry>((kind, entries) => {
    const { text, type } = describeMoves[kind](entries, peer.network);
    port.say(text, type);
  });
  const losses = new Gathering<"lost mail", SentEntry>((_kind, entries) => {
    port.say(describeLosses(entries, peer.network), "warning");
  });
  const told = makeNotices(peer, port, moves);
  listen("joined", told.joined);
  listen("returned", told.returned);
  listen("departed", told.departed);
  listen("lost", told.lost);
  listen("suspended", told.suspended);
  listen("resumed", told.resumed);
  listen("closed", told.closed);
  listen("displaced", told.displaced);
  listen("trouble", told.trouble);
  listen("sent", (entry) => {
    port.onSent(entry);
    if (isLateLoss(entry, peer.status().clockOffsetMs)) losses.add("lost mail", entry.id, entry);
  });
  listen("message", ({ from }) => {
    if (from !== undefined) moves.tellAbout(from);
  });
  for (const name of changing) listen(name, () => port.onChanged());
  return () => {
    for (const end of ends) end();
    moves.tell();
    losses.tell();
  };
}

/** True for a message that its sender had been told is on its way, and that will not be delivered. */
function isLateLoss({ state, atMs }: SentEntry, clockOffsetMs: number): boolean {
  return (state === "denied" || state === "expired") && Date.now() + clockOffsetMs - atMs > answeredMs;
}

function describeLosses(entries: readonly SentEntry[], network: string): string {
  const receivers = [...new Set(entries.map(({ to }) => to))];
  const reasons = [...new Set(entries.map(({ reason }) => cleanLine(reason ?? "", 200)))].filter((text) => text !== "");
  const what = `${count(entries.length, "message")} to ${receivers.slice(0, namesLimit).join(", ")}${receivers.length > namesLimit ? " and others" : ""}`;
  return `${what} in the network "${network}" ${entries.length === 1 ? "was" : "were"} not delivered${reasons.length === 0 ? "" : `: ${reasons.slice(0, namesLimit).join("; ")}`}. /pilink sent lists what became of each.`;
}

type Move = "joined" | "returned" | "departed" | "lost";

/** What is said of one agent, or of several that did the same at once. */
const describeMoves: Record<Move, (entries: RosterEntry[], network: string) => { text: string; type: NoticeType }> = {
  joined: (entries, network) => ({
    text: `${nameAll(entries, true)} joined the network "${network}"${list(entries)}.`,
    type: "info",
  }),
  returned: (entries, network) => ({
    text: `${nameAll(entries)} ${entries.length === 1 ? "is" : "are"} back in the network "${network}"${list(entries)}.`,
    type: "info",
  }),
  departed: (entries, network) => ({
    text: `${nameAll(entries)} left the network "${network}"${list(entries)}.`,
    type: "info",
  }),
  lost: (entries, network) => ({
    text:
      entries.length === 1
        ? `${nameAll(entries)} in the network "${network}" has lost its connection; it may return.`
        : `${nameAll(entries)} in the network "${network}" have lost their connections and may return${list(entries)}.`,
    type: "warning",
  }),
};

function nameAll(entries: readonly RosterEntry[], withRole = false): string {
  const [only] = entries;
  if (only === undefined || entries.length > 1) return count(entries.length, "agent");
  const { role } = only.presence;
  return `"${only.name}"${withRole && role !== undefined ? ` (${cleanLine(role, 60)})` : ""}`;
}

function list(entries: readonly RosterEntry[]): string {
  if (entries.length === 1) return "";
  const shown = entries.slice(0, namesLimit).map(({ name }) => name);
  const rest = entries.length - shown.length;
  const last = rest > 0 ? `${rest} more` : shown.pop();
  return `: ${shown.join(", ")} and ${last}`;
}

function makeNotices({ network }: Peer, port: FollowPort, moves: Gathering<Move, RosterEntry>): Listeners {
  // What matters at once is not told before what led to it.
  const sayNow: FollowPort["say"] = (text, type) => {
    moves.tell();
    port.say(text, type);
  };
  return {
    joined: (entry) => moves.add("joined", entry.name, entry),
    returned: (entry) => {
      // The return of the host is told by `resumed`.
      if (!entry.isHost) moves.add("returned", entry.name, entry);
    },
    departed: (entry) => {
      // What the host's departure means is told by `closed`.
      if (!entry.isHost) moves.add("departed", entry.name, entry);
    },
    lost: (entry) => {
      // The loss of the host is told by `suspended` or `closed`.
      if (!entry.isHost) moves.add("lost", entry.name, entry);
    },
    suspended: ({ host }) =>
      sayNow(
        `Network host is offline: "${host}" of the network "${network}". Nothing can be sent until it returns.`,
        "warning",
      ),
    resumed: ({ host }) => sayNow(`The host "${host}" of the network "${network}" is back.`, "info"),
    closed: ({ reason }) =>
      sayNow(
        `This network is no longer available. Run /pilink setup to start or join a new network. ("${network}": ${cleanLine(reason, 200)}.)`,
        "warning",
      ),
    displaced: (error) => {
      port.onDisplaced();
      port.say(error.message, "error");
    },
    trouble: (error) => sayNow(error.message, "warning"),
  };
}
