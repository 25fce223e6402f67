import { basename } from "node:path";
import type { ExtensionContext } from "@earendil-works/pi-coding-agent";
import { ensureBroker } from "../broker/managed.ts";
import { createNetwork, joinNetwork } from "../peer/network.ts";
import type { EnterOptions, Peer } from "../peer/peer.ts";
import type { Settings } from "../peer/settings.ts";
import { parseAddress } from "../protocol/address.ts";
import { type ErrorCode, isPilinkError, PilinkError } from "../protocol/errors.ts";
import { makeName, parseName } from "../protocol/names.ts";
import type { Connection } from "./connection.ts";
import { isBlocked, readPreferences } from "./preferences.ts";
import { settingsHere } from "./settings.ts";

/** How to enter: `either` joins the network where it is, and creates it where it is not. */
export type EnterKind = "create" | "join" | "either";

/** What a person asked for. */
export interface EnterRequest {
  kind: EnterKind;
  /** As it was typed; undefined where the settings are to name it. */
  network: string | undefined;
  flags: Settings;
  about: string | undefined;
  usage: string;
}

/** What is known about the session that enters. */
export interface EnterSurroundings {
  ctx: Pick<ExtensionContext, "cwd" | "isProjectTrusted" | "model">;
  sessionName: string | undefined;
}

/** How to enter, checked as far as it can be without a broker. */
export interface EnterPlan {
  kind: EnterKind;
  network: string;
  name: string;
  home: string;
  settings: Settings;
  /** True where the person set the name: then no other one is taken instead of it. */
  isNameChosen: boolean;
  folder: string;
  model: string | undefined;
  about: string | undefined;
  /** What was made of what the person typed. */
  notes: string[];
}

/** A connection that stands, with what a person should hear about how it came to be. */
export interface Entered {
  connection: Connection;
  notes: string[];
}

/**
 * Finds out what entering would need, without changing anything.
 *
 * @throws PilinkError `bad-name`, `bad-argument`, `bad-config`
 */
export function planEntering(request: EnterRequest, surroundings: EnterSurroundings): EnterPlan {
  const { kind, about, usage } = request;
  const { ctx, sessionName } = surroundings;
  // Refused here as a name: the settings would call it a value that does not fit.
  if (request.network !== undefined) parseName(request.network, "network");
  const flags = { ...request.flags, ...(request.network === undefined ? {} : { network: request.network }) };
  const { home, values: settings, isNameChosen, notes: leftOut } = settingsHere(ctx, flags);
  const typed = settings.network;
  if (typed === undefined) throw new PilinkError("bad-argument", `Which network? Usage: ${usage}`);
  const network = parseName(typed, "network");
  const name = settings.name === undefined ? makeName(sessionName ?? basename(ctx.cwd)) : parseName(settings.name);
  const notes = [
    ...(network === typed ? [] : [`"${typed}" was made into the network name "${network}".`]),
    ...(settings.name === undefined || settings.name === name
      ? []
      : [`"${settings.name}" was made into the name "${name}".`]),
    ...leftOut,
  ];
  return {
    kind,
    network,
    name,
    home,
    settings,
    isNameChosen,
    folder: ctx.cwd,
    model: ctx.model?.id,
    about,
    notes,
  };
}

/**
 * Makes sure that a broker is there, and creates or joins a network on it.
 *
 * @param onWaiting called when it takes longer than a moment, with what it waits for and how long at most
 * @throws PilinkError what `ensureBroker`, `createNetwork` and `joinNetwork` throw
 */
export async function enterNetwork(
  plan: EnterPlan,
  onWaiting: (reason: string, forMs: number) => void,
  signal: AbortSignal,
): Promise<Entered> {
  const { kind, network, name, home, settings, folder, notes } = plan;
  const { url } = settings;
  const broker = await ensureBroker({ home, url });
  // Credentials may stand in the address; what is shown, recorded and handed on has none.
  const inAddress = url === undefined ? undefined : parseAddress(url);
  const username = settings.username ?? inAddress?.username;
  const preferences = readPreferences(settings);
  const peer = await enterAs[kind]({
    network,
    name,
    nameChosen: plan.isNameChosen,
    home,
    url: broker.url,
    managed: url === undefined,
    folder,
    onWaiting,
    signal,
    isBlocked: (from) => isBlocked(preferences, network, from),
    reach: async () => (await ensureBroker({ home, url, purpose: "reconnect" })).url,
    ...pickSet({
      username,
      password: settings.password ?? inAddress?.password,
      ca: settings.ca,
      role: settings.role,
      model: plan.model,
      about: plan.about,
      keepaliveMs: settings.keepaliveMs,
      closingMs: settings.closingMs,
      acceptUnverified: settings.acceptUnverified,
    }),
  });
  return {
    connection: {
      peer,
      preferences,
      broker: {
        url: broker.url,
        managed: broker.managed,
        isDefault: url === undefined,
        hasAccount: username !== undefined,
      },
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

type Optional = Pick<
  EnterOptions,
  "username" | "password" | "ca" | "role" | "model" | "about" | "keepaliveMs" | "closingMs" | "acceptUnverified"
>;

/** Leaves out what is not set. */
function pickSet(values: { [Key in keyof Optional]: Optional[Key] | undefined }): Optional {
  const set: Optional = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined) Object.assign(set, { [key]: value });
  return set;
}
