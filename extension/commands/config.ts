import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ResolvedSettings } from "../../peer/config.ts";
import { readFolderSettings } from "../../peer/folder-settings.ts";
import {
  defaults,
  type HomeSettings,
  readEnvironment,
  readHomeSettings,
  type Settings,
  settingKeys,
  variables,
} from "../../peer/settings.ts";
import { count } from "../../peer/texts.ts";
import { describeAddress, parseAddress } from "../../protocol/address.ts";
import { cleanLine } from "../../protocol/clean.ts";
import { isPilinkError, type PilinkError } from "../../protocol/errors.ts";
import { homeFolder } from "../../store/folder.ts";
import { parseArguments } from "../arguments.ts";
import type { Subcommand } from "../commands.ts";
import type { Connection } from "../connection.ts";
import { settingsHere } from "../settings.ts";

// Enough to see what is kept; a person who works in many folders finds the rest in the file.
const foldersLimit = 5;

/** `/pilink config` */
export const configCommand: Subcommand = {
  name: "config",
  usage: "/pilink config",
  summary: "Shows every setting with its value and where it comes from, and the files they stand in.",
  async run(line, { session, ctx }) {
    parseArguments(line, {}, configCommand.usage);
    const home = homeFolder(process.env);
    const files = describeFiles(home, ctx.cwd);
    try {
      const settled = settingsHere(ctx);
      session.say(
        [
          ...describeSettings(settled),
          ...describeAliases(readHomeSettings(home)),
          ...describeRemembered(readHomeSettings(home), ctx.cwd),
          ...files,
          ...describeUse(session.connection),
          ...settled.notes,
        ].join("\n"),
        settled.notes.length === 0 ? "info" : "warning",
      );
    } catch (error) {
      if (!isPilinkError(error)) throw error;
      const faults = findFaults(home, ctx.cwd, ctx.isProjectTrusted());
      const said = (faults.length === 0 ? [error] : faults).map(({ message }) => message);
      session.say([...said, "Until that is mended no network can be created or joined.", ...files].join("\n"), "error");
    }
  },
};

/** Every setting with its value and its source, one line each; of a credential only whether it is set. */
export function describeSettings({ values, sources }: Pick<ResolvedSettings, "values" | "sources">): string[] {
  const address = values.url === undefined ? undefined : parseAddress(values.url);
  // What is not shown as it stands.
  const special: Partial<Record<keyof Settings, string>> = {
    url: address?.url ?? "the managed broker of this home",
    username: presence(values.username, address?.username),
    password: presence(values.password, address?.password),
    deliveries: describeDeliveries(values.deliveries ?? defaults.deliveries),
    ...(values.ca?.includes("-----BEGIN") === true ? { ca: "set" } : {}),
    ...(values.name === undefined ? { name: "made of the session's name, or the folder's" } : {}),
  };
  const usual: Settings = defaults;
  return settingKeys.map((key) => {
    const value = special[key] ?? describeValue(values[key] ?? usual[key]);
    return `${key}: ${value} (${describeSource(key, sources)})`;
  });
}

function describeValue(value: Settings[keyof Settings]): string {
  if (value === undefined) return "not set";
  if (typeof value === "boolean") return value ? "on" : "off";
  return cleanLine(String(value), 200);
}

function describeSource(key: keyof Settings, sources: ResolvedSettings["sources"]): string {
  const source = sources[key];
  if (source === "environment") {
    const name = Object.entries(variables).find(([, setting]) => setting === key)?.[0];
    return name === undefined ? "environment" : `environment, ${name}`;
  }
  return { flag: "flag", folder: "folder's file", home: "home's file", default: "default" }[source];
}

function presence(own: string | undefined, inAddress: string | undefined): string {
  if (own !== undefined) return "set";
  return inAddress === undefined ? "not set" : "set, in the url";
}

function describeDeliveries(deliveries: NonNullable<Settings["deliveries"]>): string {
  const list = Object.entries(deliveries).map(([peer, delivery]) => `${peer} ${delivery}`);
  return list.length === 0 ? "none for single agents" : list.join(", ");
}

function describeAliases({ networks = {}, urls = {} }: HomeSettings): string[] {
  return [
    ...Object.entries(urls).map(([alias, url]) => `Alias of a broker: ${alias} = ${describeAddress(url)}`),
    ...Object.entries(networks).map(([alias, entrance]) => {
      if (typeof entrance === "string") return `Alias of a network: ${alias} = ${cleanLine(entrance)}`;
      const { network, url } = entrance;
      return `Alias of a network: ${alias} = ${cleanLine(network)}${url === undefined ? "" : ` on ${describeAddress(url)}`}`;
    }),
  ];
}

function describeRemembered({ folders = {} }: HomeSettings, folder: string): string[] {
  const own = Object.entries(folders).filter(([path]) => path === folder);
  const others = Object.entries(folders).filter(([path]) => path !== folder);
  return [
    ...own.flatMap(([, entrance]) => describeEntrance("this folder", entrance)),
    ...others.slice(0, foldersLimit).flatMap(([path, entrance]) => describeEntrance(cleanLine(path, 200), entrance)),
    ...(others.length > foldersLimit
      ? [`Remembered of ${count(others.length - foldersLimit, "more folder")}, in the home's file.`]
      : []),
  ];
}

function describeEntrance(what: string, entrance: NonNullable<HomeSettings["folders"]>[string]): string[] {
  const { network, name, role, url } = entrance;
  const parts = Object.entries({ network, name, role, url: url === undefined ? undefined : describeAddress(url) });
  const said = parts.flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${cleanLine(value)}`]));
  return said.length === 0 ? [] : [`Remembered of ${what}, in the home's file: ${said.join(", ")}`];
}

/** What a network was entered with does not change while it lasts, and flags of its command are not seen here. */
function describeUse(connection: Connection | undefined): string[] {
  if (connection === undefined) return [];
  const { peer, broker } = connection;
  return [
    `This agent is in the network "${peer.network}" as "${peer.name}" (${broker.url}); what is set here counts when a network is entered.`,
  ];
}

function describeFiles(home: string, folder: string): string[] {
  return [
    ["Folder's file", join(folder, ".pilink.json")] as const,
    ["Home's file", join(home, "config.json")] as const,
  ].map(([what, path]) => `${what}: ${path}${existsSync(path) ? "" : " (not there)"}`);
}

/** Everything that is wrong, not only what was found first. */
function findFaults(home: string, folder: string, isTrusted: boolean): PilinkError[] {
  return [
    () => readHomeSettings(home),
    () => readFolderSettings(folder, isTrusted ? "granted" : "none"),
    () => readEnvironment(process.env),
  ].flatMap((read) => {
    try {
      read();
      return [];
    } catch (error) {
      if (!isPilinkError(error)) throw error;
      return [error];
    }
  });
}
