import { basename } from "node:path";
import { ensureBroker } from "../broker/managed.ts";
import { resolveSettings, type Settings } from "../peer/config.ts";
import { createNetwork, joinNetwork } from "../peer/network.ts";
import type { EnterOptions } from "../peer/peer.ts";
import { parseAddress } from "../protocol/address.ts";
import { PilinkError } from "../protocol/errors.ts";
import { makeName, parseName } from "../protocol/names.ts";
import { homeFolder } from "../store/folder.ts";
import type { Connection } from "./connection.ts";

/** What a person asked for. */
export interface EnterRequest {
  kind: "create" | "join";
  /** As it was typed; undefined where the settings are to name it. */
  network: string | undefined;
  flags: Settings;
  about: string | undefined;
  usage: string;
}

/** What is known about the session that enters. */
export interface EnterSurroundings {
  folder: string;
  sessionName: string | undefined;
  model: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
}

/** How to enter, checked as far as it can be without a broker. */
export interface EnterPlan {
  kind: "create" | "join";
  network: string;
  name: string;
  home: string;
  settings: Settings;
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
  const { kind, flags, about, usage } = request;
  const { folder, env, sessionName, model } = surroundings;
  const home = homeFolder(env);
  const { values: settings } = resolveSettings({ home, folder, env, flags });
  const typed = request.network ?? settings.network;
  if (typed === undefined) throw new PilinkError("bad-argument", `Which network? Usage: ${usage}`);
  const network = parseName(typed, "network");
  const name = settings.name === undefined ? makeName(sessionName ?? basename(folder)) : parseName(settings.name);
  const notes = [
    ...(network === typed ? [] : [`"${typed}" was made into the network name "${network}".`]),
    ...(settings.name === undefined || settings.name === name
      ? []
      : [`"${settings.name}" was made into the name "${name}".`]),
  ];
  return { kind, network, name, home, settings, folder, model, about, notes };
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
  const peer = await (kind === "create" ? createNetwork : joinNetwork)({
    network,
    name,
    nameChosen: settings.name !== undefined,
    home,
    url: broker.url,
    managed: url === undefined,
    folder,
    onWaiting,
    signal,
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
