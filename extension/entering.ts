import { basename } from "node:path";
import { ensureBroker } from "../broker/managed.ts";
import { describeAddress } from "../peer/address.ts";
import { resolveSettings, type Settings } from "../peer/config.ts";
import { createNetwork, joinNetwork } from "../peer/network.ts";
import type { EnterOptions } from "../peer/peer.ts";
import { makeName, parseName } from "../protocol/names.ts";
import { homeFolder } from "../store/folder.ts";
import type { Connection } from "./connection.ts";

/** What a person asked for. */
export interface EnterRequest {
  kind: "create" | "join";
  network: string;
  flags: Pick<Settings, "url" | "name" | "role">;
  about: string | undefined;
}

/** What is known about the session that enters. */
export interface EnterSurroundings {
  folder: string;
  sessionName: string | undefined;
  model: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  onWaiting: (reason: string, forMs: number) => void;
  signal: AbortSignal;
}

/** A connection that stands, with what a person should hear about how it came to be. */
export interface Entered {
  connection: Connection;
  notes: string[];
}

/**
 * Makes sure that a broker is there, and creates or joins a network on it.
 *
 * @throws PilinkError what `resolveSettings`, `ensureBroker`, `createNetwork` and `joinNetwork` throw
 */
export async function enterNetwork(request: EnterRequest, surroundings: EnterSurroundings): Promise<Entered> {
  const { folder, env } = surroundings;
  const home = homeFolder(env);
  const { values } = resolveSettings({ home, folder, env, flags: request.flags });
  const network = parseName(request.network, "network");
  const name = ownName(values.name, surroundings);
  const broker = await ensureBroker({ home, url: values.url });
  const peer = await (request.kind === "create" ? createNetwork : joinNetwork)({
    network,
    name,
    nameChosen: values.name !== undefined,
    home,
    url: broker.url,
    managed: values.url === undefined,
    folder,
    onWaiting: surroundings.onWaiting,
    signal: surroundings.signal,
    reach: async () => (await ensureBroker({ home, url: values.url, purpose: "reconnect" })).url,
    ...optional({
      username: values.username,
      password: values.password,
      role: values.role,
      model: surroundings.model,
      about: request.about,
      keepaliveMs: values.keepaliveMs,
      closingMs: values.closingMs,
      acceptUnverified: values.acceptUnverified,
    }),
  });
  const notes = [
    ...(broker.note === undefined ? [] : [broker.note]),
    ...(network === request.network ? [] : [`The network is called "${network}".`]),
    ...(values.name === undefined || peer.name === values.name ? [] : [`This agent is called "${peer.name}".`]),
    ...(values.name !== undefined || peer.name === name
      ? []
      : [`The name "${name}" was taken: this agent is "${peer.name}".`]),
  ];
  return {
    connection: {
      peer,
      broker: { url: describeAddress(broker.url), managed: broker.managed, isDefault: values.url === undefined },
    },
    notes,
  };
}

/** A name that a person chose, or one made of Pi's session name or the folder's. */
function ownName(chosen: string | undefined, { sessionName, folder }: EnterSurroundings): string {
  if (chosen !== undefined) return parseName(chosen);
  return makeName(sessionName ?? basename(folder));
}

type Optional = Pick<
  EnterOptions,
  "username" | "password" | "role" | "model" | "about" | "keepaliveMs" | "closingMs" | "acceptUnverified"
>;

/** Leaves out what is not set. */
function optional(values: { [Key in keyof Optional]: Optional[Key] | undefined }): Optional {
  const set: Optional = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined) Object.assign(set, { [key]: value });
  return set;
}
