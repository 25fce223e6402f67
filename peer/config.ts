import { z } from "zod";
import { parseAddress } from "../protocol/address.ts";
import { keepAccount, readFolderSettings } from "./folder-settings.ts";
import {
  checkFlags,
  localBroker,
  readEnvironment,
  readHomeSettings,
  type Settings,
  settingKeys,
  settingsSchema,
} from "./settings.ts";

/** Where a value came from, the strongest first. An alias, and what is remembered of a folder, are of the home. */
export type SettingSource = "flag" | "environment" | "folder" | "home" | "default";

/**
 * Whether a folder's `.pilink.json` may be read, because it may have come with a cloned repository. `none`: it is
 * ignored. `implied`: nobody was asked about the folder; it is read, but gets no account of the person's, and starts no
 * turns. `granted`: the person trusts the folder.
 */
export type FolderTrust = "none" | "implied" | "granted";

/** Where settings are looked for. */
export interface SettingPlaces {
  /** `PILINK_HOME` */
  home: string;
  /** The working folder, absolute. */
  folder: string;
  trust: FolderTrust;
  env: Readonly<Record<string, string | undefined>>;
  flags: Settings;
}

/** The settings that hold, and where each of them came from. */
export interface ResolvedSettings {
  values: Settings;
  sources: Record<keyof Settings, SettingSource>;
  /** True where the person set the name; false where it is none, or only the one that was used here before. */
  isNameChosen: boolean;
  /** What was left out, and why, for the person. */
  notes: string[];
}

interface Layer {
  source: SettingSource;
  settings: Settings;
  /** True for what the wizard remembered: a name in it is offered, not insisted on. */
  isRemembered?: boolean;
}

/**
 * Collects the settings: flags before the environment before `.pilink.json` in the folder before `config.json` in the
 * home, where what is remembered of the folder comes before the rest. An alias counts where the name of the network is
 * set, just below what else is set there. What is set nowhere has no value here: see {@link defaults}.
 *
 * @throws PilinkError `bad-config` naming the file or variable, what is wrong with it, and the way out; `bad-argument`
 *   where it is a flag
 */
export function resolveSettings(places: SettingPlaces): ResolvedSettings {
  const { home, folder, trust, env, flags } = places;
  const { networks = {}, urls = {}, folders = {}, ...top } = readHomeSettings(home);
  const local = readFolderSettings(folder, trust, top.deliveries);
  const layers: Layer[] = [
    { source: "home", settings: top },
    { source: "home", settings: pick(folders, folder) ?? {}, isRemembered: true },
    { source: "folder", settings: local.settings },
    { source: "environment", settings: readEnvironment(env) },
    { source: "flag", settings: checkFlags(flags) },
  ];
  const naming = layers.findLastIndex(({ settings }) => settings.network !== undefined);
  const alias = pick(networks, layers[naming]?.settings.network ?? "");
  const entrance = typeof alias === "string" ? { network: alias } : alias;
  if (entrance !== undefined) layers.splice(naming, 0, { source: "home", settings: entrance });
  const settled = merge(layers);
  const { values, sources } = settled;
  if (entrance !== undefined) values.network = entrance.network;
  const addressOf = (url: string | undefined) => (url === undefined ? undefined : (pick(urls, url) ?? url));
  const own = merge(layers.filter(({ source }) => source !== "folder")).values.url;
  const isForeign =
    sources.url === "folder" &&
    values.url === addressOf(values.url) &&
    values.url !== localBroker &&
    !isSameBroker(values.url, addressOf(own));
  const notes = [...local.notes, ...(trust === "granted" ? [] : keepAccount(settled, folder, isForeign))];
  const url = addressOf(values.url);
  if (url === localBroker) delete values.url;
  else if (url !== undefined) values.url = url;
  return { ...settled, notes };
}

function merge(layers: readonly Layer[]): Omit<ResolvedSettings, "notes"> {
  const values: Settings = {};
  const sources: Partial<ResolvedSettings["sources"]> = {};
  let isNameChosen = false;
  for (const { source, settings, isRemembered = false } of layers) {
    for (const key of settingKeys) {
      sources[key] ??= "default";
      if (settings[key] === undefined) continue;
      // Each peer by itself: whom the person has blocked is blocked also where a folder says something of another one.
      const value = key === "deliveries" ? { ...values.deliveries, ...settings.deliveries } : settings[key];
      Object.assign(values, { [key]: value });
      sources[key] = source;
      if (key === "name") isNameChosen = !isRemembered;
    }
  }
  return { values, sources: sourcesSchema.parse(sources), isNameChosen };
}

const sourcesSchema = z.record(settingsSchema.keyof(), z.enum(["flag", "environment", "folder", "home", "default"]));

function isSameBroker(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && parseAddress(one).url === parseAddress(other).url;
}

function pick<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
