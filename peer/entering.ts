import { parseAddress } from "../protocol/address.ts";
import { type ErrorCode, isPilinkError } from "../protocol/errors.ts";
import { createNetwork, joinNetwork } from "./network.ts";
import type { EnterOptions, Peer } from "./peer.ts";
import type { EnterPlan } from "./plan.ts";
import { isBlocked, type Preferences, readPreferences } from "./preferences.ts";

/** A broker that was made sure of: the part of `ensureBroker` in `broker/` that entering needs. */
export interface ReachedBroker {
  url: string;
  managed: boolean;
  note?: string;
}

/** What entering needs of its face. */
export interface EnterPort {
  /** Makes sure that a broker runs: a face hands over `ensureBroker`, so that this layer needs no broker of its own. */
  ensureBroker(choice: {
    home: string;
    url?: string | undefined;
    purpose?: "command" | "join" | "reconnect";
  }): Promise<ReachedBroker>;
  /** Called when it takes longer than a moment, with what it waits for and how long at most. */
  onWaiting?: (reason: string, forMs: number) => void;
  signal?: AbortSignal;
}

/** A peer in its network, and how it got there. */
export interface EnteredNetwork {
  peer: Peer;
  /** What its person wants, as the settings have it. Whom it blocks is looked up here at each message. */
  preferences: Preferences;
  broker: {
    /** The address without credentials. */
    url: string;
    managed: boolean;
    /** True where nobody named an address: then nobody else has to name it either. */
    isDefault: boolean;
    /** True where the broker was given a user name. */
    hasAccount: boolean;
  };
  /** What a person should hear about how it came to be. */
  notes: string[];
}

/**
 * Makes sure that a broker is there, and creates or joins a network on it. For a join nothing is started where nothing
 * has been: no network can be there.
 *
 * @throws PilinkError what `ensureBroker`, `createNetwork` and `joinNetwork` throw
 */
export async function enterNetwork(plan: EnterPlan, port: EnterPort): Promise<EnteredNetwork> {
  const { kind, network, name, home, settings, folder, notes } = plan;
  const { url } = settings;
  const broker = await port.ensureBroker({ home, url, purpose: kind === "join" ? "join" : "command" });
  const preferences = readPreferences(settings);
  // Credentials may stand in the address; what is shown, recorded and handed on has none.
  const inAddress = url === undefined ? undefined : parseAddress(url);
  const username = settings.username ?? inAddress?.username;
  const peer = await enterAs[kind]({
    network,
    name,
    nameChosen: plan.isNameChosen,
    home,
    url: broker.url,
    managed: url === undefined,
    folder,
    isBlocked: (from) => isBlocked(preferences, network, from),
    reach: async () => (await port.ensureBroker({ home, url, purpose: "reconnect" })).url,
    ...pickSet({
      onWaiting: port.onWaiting,
      signal: port.signal,
      username,
      password: settings.password ?? inAddress?.password,
      ca: settings.ca,
      role: settings.role,
      model: plan.model,
      about: plan.about,
      keepaliveMs: settings.keepaliveMs,
      closingMs: settings.closingMs,
      auditDays: settings.auditDays,
      acceptUnverified: settings.acceptUnverified,
    }),
  });
  return {
    peer,
    preferences,
    broker: {
      url: broker.url,
      managed: broker.managed,
      isDefault: url === undefined,
      hasAccount: username !== undefined,
    },
    notes: [
      ...notes,
      ...(peer.name === name ? [] : [`The name "${name}" is taken, so this agent is "${peer.name}".`]),
      ...(broker.note === undefined ? [] : [broker.note]),
    ],
  };
}

const enterAs = { create: createNetwork, join: joinNetwork, either: joinOrCreate } as const;

// Each try is lost to somebody who created or ended the network in the moment between; that does not happen often.
const eitherTries = 5;

/** Joins a network, or creates it where there is none; of several that do so at once, one creates and the others join. */
async function joinOrCreate(options: EnterOptions): Promise<Peer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await joinNetwork(options);
    } catch (error) {
      if (!hasFault(error, "network-not-found")) throw error;
    }
    try {
      return await createNetwork(options);
    } catch (error) {
      if (!hasFault(error, "network-exists") || tries === eitherTries) throw error;
    }
  }
}

function hasFault(error: unknown, code: ErrorCode): boolean {
  return isPilinkError(error) && error.code === code;
}

type Optional = Omit<
  EnterOptions,
  "network" | "name" | "nameChosen" | "home" | "url" | "managed" | "folder" | "reach" | "isBlocked"
>;

/** Leaves out what is not set. */
function pickSet(values: { [Key in keyof Optional]: Optional[Key] | undefined }): Optional {
  const set: Optional = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined) Object.assign(set, { [key]: value });
  return set;
}
