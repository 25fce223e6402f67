import type { EventEmitter } from "node:events";
import type { PilinkError } from "../protocol/errors.ts";
import type { Json } from "../protocol/json.ts";
import type { Presence } from "../protocol/presence.ts";
import type { MessageState } from "../protocol/receipt.ts";
import type { Examination } from "./examination.ts";
import type { InboxLimits } from "./room.ts";

/** One line of the roster: who is here. */
export interface RosterEntry {
  name: string;
  presence: Presence;
  /** `online`, or `lost` while a peer that dropped may still return. */
  state: "online" | "lost";
  isSelf: boolean;
  isHost: boolean;
}

/** A message that arrived, as the inbox holds it. */
export interface InboxEntry {
  id: string;
  /** The sender's name as it was stated, or undefined where none was. */
  from: string | undefined;
  /** True if the message came from a living peer of the roster by its life and box. */
  verified: boolean;
  /** True if later messages of the same sender were let through before this one. */
  late: boolean;
  type: string;
  body: Json;
  re: string | null;
  /** When it was sent, in milliseconds since 1970 by the network's clock; for a message by hand when it arrived. */
  atMs: number;
  trace: string;
  hops: number;
  /** `unread` waits to be put into a session; `injected` was handed to one; `seen` was in a model request. */
  state: "unread" | "injected" | "seen" | "replied";
  /** What its person did with it: looked at it in the inbox, or cleared it, so that no turn is started on it. */
  attention: "new" | "read" | "cleared";
  /** The Pi session that it was injected into. */
  session: string | undefined;
  /** The envelope as it arrived, or what there was of one. */
  envelope: Record<string, Json>;
}

/** What to send. */
export interface Outgoing {
  /** One peer's name, several, or `all` for everyone in the roster at this moment. */
  to: string | string[];
  body: Json;
  type?: "message" | "task" | "result" | "query" | "file";
  /** The id of the message that this one answers. */
  re?: string | null;
  ttlMs?: number;
  /** The trace and hops of the run that sends (design: loops); a person's message starts both anew. */
  trace?: string;
  hops?: number;
  /** Called when each message that was not refused is in the outbox, before the wait for receipts. */
  onTaken?: (outcomes: SendOutcome[]) => void;
  /** How long to wait for `received`, in milliseconds (default 5,000). */
  waitMs?: number;
  signal?: AbortSignal;
}

/** What became of a message to one receiver, at the moment of the answer. */
export interface SendOutcome {
  to: string;
  /** The message's id, or undefined where it was refused before it had one. */
  id: string | undefined;
  state: MessageState | "refused";
  reason?: string;
  error?: PilinkError;
}

/** What the outbox knows of one message that was sent. */
export interface SentEntry {
  id: string;
  to: string;
  body: Json;
  re: string | null;
  atMs: number;
  state: MessageState;
  reason: string | undefined;
}

/** What a peer says of itself, for `/pilink status` and the doctor. */
export interface PeerStatus {
  network: string;
  name: string;
  kind: "host" | "member";
  epoch: string;
  net: string;
  host: string;
  /** The broker's address without credentials. */
  url: string;
  state: NetworkState;
  connected: boolean;
  /** Own clock plus this is the host's, in milliseconds. */
  clockOffsetMs: number;
  /** Messages in the outbox that nobody confirmed yet. */
  waiting: number;
  /** Messages in the inbox that no session has taken yet. */
  unread: number;
  /** Payloads that were rejected since the join, by reason. */
  rejected: Record<string, number>;
}

/**
 * `active`: messages flow. `suspended`: the host is lost, sending is refused. `closed`: the network has ended.
 * `left`: this peer left it, or was displaced.
 */
export type NetworkState = "active" | "suspended" | "closed" | "left";

/** What a peer can change of what it says of itself. `contextPercent` is how much of the model's context is used. */
export interface DescribeChanges {
  role?: string;
  model?: string;
  activity?: string;
  folder?: string;
  contextPercent?: number;
}

/** The events of a peer with their arguments. */
export interface PeerEvents {
  /** A new message is in the inbox file, in order, and may be put into a session. */
  message: [InboxEntry];
  /** Another peer joined. */
  joined: [RosterEntry];
  /** Another peer is back: connected again after it was lost, or started again in its place, with its name and mail. */
  returned: [RosterEntry];
  /** Another peer left in good order. */
  departed: [RosterEntry];
  /** Another peer's connection was lost; it may return. */
  lost: [RosterEntry];
  /** The roster changed in any way (also a role, a model, an activity). */
  roster: [];
  /** The host is offline: sending is refused until `resumed`. */
  suspended: [{ host: string }];
  resumed: [{ host: string }];
  /** The network has ended; the peer is leaving it when this fires, and `leave()` waits for that. */
  closed: [{ reason: string }];
  /** Another life was granted this name; the peer is stopping when this fires. */
  displaced: [PilinkError];
  /** The own connection to the broker. */
  connected: [];
  disconnected: [{ reason: string }];
  /** The state of a sent message moved forward. */
  sent: [SentEntry];
  /** A payload was rejected, with the topic it came on. */
  rejected: [{ topic: string; error: PilinkError }];
  /** Something that the person should know and that needs no other event, such as a disk that is full. */
  trouble: [PilinkError];
}

/** One peer of one network, over MQTT. Made by `createNetwork` and `joinNetwork`; knows nothing of Pi. */
export interface Peer {
  readonly network: string;
  readonly name: string;
  readonly kind: "host" | "member";
  readonly epoch: string;
  /** The instance: the host's epoch. */
  readonly net: string;
  readonly box: string;
  readonly state: NetworkState;
  /** What the host said the network is about, where it said so. */
  readonly about: string | undefined;
  readonly events: EventEmitter<PeerEvents>;

  /** Who is here, the host first, then by name; ghosts and those who left are not in it. */
  roster(): RosterEntry[];

  /**
   * Asks those whose record was not confirmed on this connection whether they live, and removes the ghosts.
   *
   * @param timeoutMs how long to wait for an answer
   */
  confirmRoster(timeoutMs?: number): Promise<RosterEntry[]>;

  /**
   * Sends a message, one to each receiver, and waits until each is received or the wait is over.
   * A message that was not refused is on disk when this returns, and stays there until its receiver has it.
   *
   * @returns one outcome for each receiver; never throws for what concerns one receiver only
   * @throws PilinkError `not-joined`, `network-suspended`, `network-closed`, `too-big`, `bad-payload`, `bad-argument`: nothing was sent to anybody
   */
  send(outgoing: Outgoing): Promise<SendOutcome[]>;

  /** What became of the messages of this instance, the oldest first. */
  sent(): SentEntry[];

  /** The messages that arrived in this instance, in the order in which they may be shown. */
  inbox(): InboxEntry[];

  /** Those of them that no session has taken yet. */
  unread(): InboxEntry[];

  /** Notes that messages were handed to a Pi session, and tells their senders. */
  markInjected(ids: string[], session: string): void;

  /** Notes that a model request held the messages, and tells their senders. */
  markSeen(ids: string[]): void;

  /** Notes that the person looked at messages in the inbox, or cleared them. Their senders are told nothing. */
  markAttention(ids: string[], attention: "read" | "cleared"): void;

  /** The session has ended: what it took and no model has seen becomes unread again (hazard 13). @returns those messages */
  releaseSession(session: string): InboxEntry[];

  /** Changes what the presence says of this peer, and publishes it. */
  describe(changes: DescribeChanges): void;

  status(): PeerStatus;

  /** The names of the members whom leaving cuts off: none for a member. */
  dependents(): string[];

  /** Looks at the broker and the host, over a connection of its own; for the doctor. It takes at most about 7 s. */
  examine(): Promise<Examination>;

  /** What the broker calls itself; undefined where it does not tell within a second. */
  brokerVersion(): Promise<string | undefined>;

  /**
   * Leaves: tells everyone, ends the session on the broker, releases the name. Idempotent.
   *
   * @param timeoutMs after this the connection is dropped even if the broker did not take the farewell (default 800)
   */
  leave(timeoutMs?: number): Promise<void>;
}

/** How to enter a network. */
export interface EnterOptions {
  network: string;
  /** The name to carry. */
  name: string;
  /** True if a person chose the name: then a taken one is refused; otherwise the next free one is used. */
  nameChosen: boolean;
  /** The state folder (`PILINK_HOME`). */
  home: string;
  /** The broker's address; may hold credentials, which are never shown. */
  url: string;
  username?: string;
  password?: string;
  /** The certificates of the authorities to trust over TLS, instead of the system's: the path of a PEM file, or its text. */
  ca?: string;
  /** True where the address is the home's own managed broker: its state folder has then no broker in its name. */
  managed: boolean;
  /** The working folder; the last part of it is shown to others, the whole of it tells one workspace from another. */
  folder: string;
  role?: string;
  model?: string;
  about?: string;
  /** The MQTT keepalive, in milliseconds (default 10,000). */
  keepaliveMs?: number;
  /** How long a network without its host stays suspended before it closes, in milliseconds (default 300,000). */
  closingMs?: number;
  /** For how many days after a network's end its audit and its files are kept (default 30). */
  auditDays?: number;
  /** How much may wait unread in the inbox ({@link InboxLimits}; the default is [DEL-22]'s). */
  inboxLimits?: InboxLimits;
  /** False to reject what is published by hand (default true). */
  acceptUnverified?: boolean;
  /** Asked for each message that arrives: true where the person takes none from that sender; it is answered with `denied`. */
  isBlocked?: (from: string) => boolean;
  /**
   * Called before each attempt to connect again, so that a managed broker that died is started again.
   * @returns the address to use from now on
   * @throws PilinkError `broker-stopped` where the broker was stopped on purpose: the peer then closes
   */
  reach?: () => Promise<string>;
  /** Called when entering takes longer than a moment, with what it waits for and how long at most. */
  onWaiting?: (reason: string, forMs: number) => void;
  signal?: AbortSignal;
}
