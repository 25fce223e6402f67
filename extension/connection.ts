import type { EnteredNetwork } from "../peer/entering.ts";
import type { Peer } from "../peer/peer.ts";
import type { Preferences } from "../peer/preferences.ts";
import type { KnownStates } from "./sent-states.ts";

/** What outlives a Pi session: the peer, and how it got to its broker. */
export interface Connection {
  peer: Peer;
  /** What happens with what arrives and is sent; commands change it. */
  preferences: Preferences;
  broker: EnteredNetwork["broker"];
}

/** How a notice is shown. */
export type NoticeType = "info" | "warning" | "error";

/** A notice that waits for a session to be shown in. */
export interface Notice {
  text: string;
  type: NoticeType;
  /** True where no later notice may replace it: in a terminal it then stays in the transcript. */
  isLasting?: boolean;
}

/** The session of the moment, as whatever outlives it sees it. */
export interface Attachment {
  notify(notice: Notice): void;
  /** The connection, or anything that is shown of it, has changed. */
  refresh(): void;
  /** False once Pi has replaced the session. */
  isAlive(): boolean;
}

/** An attempt to enter a network that is under way. */
export interface Attempt {
  controller: AbortController;
  done: Promise<void>;
}

/** What all sessions of a Pi process have in common, one after the other. */
export interface Carried {
  connection: Connection | undefined;
  /** None between two sessions: nothing asynchronous may touch what belonged to the former one. */
  attachment: Attachment | undefined;
  attempt: Attempt | undefined;
  unsaid: Notice[];
  /** What the messages that this process has sent have come to; also of networks that it has left. */
  sentStates: KnownStates;
  /** The networks that were found when somebody last looked, for completion. */
  knownNetworks: string[];
  /** The held messages of which the person has been told. */
  toldHeld: Set<string>;
  /**
   * By instance: the Pi session that holds what the network is about, or `seen` where a model request had it.
   */
  aboutTold: Map<string, string>;
  /** Who started this Pi, where that one is in a network. */
  inheritedMark: string | undefined;
  /** Ends the listening to the peer. */
  unfollow: (() => void) | undefined;
  /** True once Pi quits: nothing is entered any more. */
  isOver: boolean;
}

// /new, /resume, /fork and /reload give the extension a new runtime, /reload even new modules. What has to survive
// them is kept under a symbol of the registry, because no module is there before and after.
const key = Symbol.for("pilink-mqtt.connection");

/** What this Pi process carries from session to session, if pilink was used in it. */
export function findCarried(): Carried | undefined {
  const found: unknown = Reflect.get(globalThis, key);
  return isCarried(found) ? found : undefined;
}

/**
 * The same, made where there is none yet.
 *
 * @param inheritedMark see {@link Carried}
 */
export function openCarried(inheritedMark: string | undefined): Carried {
  const found = findCarried();
  if (found !== undefined) return found;
  const carried: Carried = {
    connection: undefined,
    attachment: undefined,
    attempt: undefined,
    unsaid: [],
    sentStates: new Map(),
    knownNetworks: [],
    toldHeld: new Set(),
    aboutTold: new Map(),
    inheritedMark,
    unfollow: undefined,
    isOver: false,
  };
  Reflect.set(globalThis, key, carried);
  return carried;
}

/** Forgets what was carried, at the end of the process. */
export function dropCarried(carried: Carried): void {
  if (findCarried() === carried) Reflect.deleteProperty(globalThis, key);
}

function isCarried(value: unknown): value is Carried {
  return typeof value === "object" && value !== null && "connection" in value && "unsaid" in value;
}
