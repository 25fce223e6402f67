import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { parseAddress } from "../protocol/address.ts";
import { isPilinkError, messageOf, PilinkError, quoteValue } from "../protocol/errors.ts";
import { describeIssues } from "../protocol/version.ts";
import { hasCode } from "../store/folder.ts";

const settingsSchema = z.strictObject({
  url: z.string().min(1).optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  ca: z.string().min(1).optional(),
  name: z.string().min(1).optional(),
  role: z.string().max(200).optional(),
  network: z.string().min(1).optional(),
  delivery: z.literal("inject").optional(),
  keepaliveMs: z.int().min(1_000).max(600_000).optional(),
  closingMs: z.int().min(0).max(86_400_000).optional(),
  acceptUnverified: z.boolean().optional(),
});

/** What a person can set. Durations are in milliseconds. */
export type Settings = z.infer<typeof settingsSchema>;

/** Where a value came from, the strongest first. */
export type SettingSource = "flag" | "environment" | "folder" | "home" | "default";

/** The settings that hold, and where each of them came from. */
export interface ResolvedSettings {
  values: Settings;
  sources: Record<keyof Settings, SettingSource>;
}

// Each variable with the setting that it stands for.
const variables = {
  PILINK_URL: "url",
  PILINK_USERNAME: "username",
  PILINK_PASSWORD: "password",
  PILINK_CA: "ca",
  PILINK_NAME: "name",
  PILINK_ROLE: "role",
  PILINK_NETWORK: "network",
  PILINK_DELIVERY: "delivery",
  PILINK_KEEPALIVE_MS: "keepaliveMs",
  PILINK_CLOSING_MS: "closingMs",
} as const satisfies Record<string, keyof Settings>;

const numeric = new Set<string>(["keepaliveMs", "closingMs"]);

/**
 * Collects the settings: flags before the environment before `.pilink.json` in the folder before `config.json` in the
 * home. What is set nowhere has no value here: its default stands where it is used.
 *
 * @param places the home (`PILINK_HOME`), the working folder, the environment, and what was given by flags
 * @throws PilinkError `bad-config` naming the file or variable, what is wrong with it, and the way out; `bad-argument`
 *   where it is a flag
 */
export function resolveSettings(places: {
  home: string;
  folder: string;
  env: Readonly<Record<string, string | undefined>>;
  flags: Settings;
}): ResolvedSettings {
  const layers: [SettingSource, Settings][] = [
    ["home", readFile(join(places.home, "config.json"))],
    ["folder", readFile(join(places.folder, ".pilink.json"))],
    ["environment", readEnvironment(places.env)],
    ["flag", checkFlags(places.flags)],
  ];
  const values: Settings = {};
  const sources: Partial<ResolvedSettings["sources"]> = {};
  for (const [source, layer] of layers) {
    for (const key of settingsSchema.keyof().options) {
      sources[key] ??= "default";
      if (layer[key] === undefined) continue;
      Object.assign(values, { [key]: layer[key] });
      sources[key] = source;
    }
  }
  return { values, sources: sourcesSchema.parse(sources) };
}

const sourcesSchema = z.record(settingsSchema.keyof(), z.enum(["flag", "environment", "folder", "home", "default"]));

function readFile(path: string): Settings {
  const what = `The configuration ${path}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (hasCode(cause, "ENOENT", "ENOTDIR")) return {};
    throw new PilinkError("bad-config", `${what} cannot be read: ${messageOf(cause)}. Mend or remove it.`, {
      value: path,
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    // The parser's own message quotes the text around the fault, and there may be a password in it.
    throw new PilinkError("bad-config", `${what} is no JSON: ${describePlace(text, cause)}. Mend or remove it.`, {
      value: path,
    });
  }
  return check(value, (key) => (key === undefined ? what : `${what}, "${key}"`));
}

// One token of JSON, or white space (RFC 8259, sections 2, 6 and 7).
const token =
  /[\s{}[\]:,]|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null/iuy;

/** Where a text that is no JSON goes wrong. V8 names the place of some faults only. */
function describePlace(text: string, error: unknown): string {
  const position = /position (\d+)/.exec(messageOf(error))?.[1];
  const before = text.slice(0, position === undefined ? findForeign(text) : Number(position)).split("\n");
  return `it goes wrong in line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

/** The place of the first thing that no JSON holds, or the end. */
function findForeign(text: string): number {
  let end = 0;
  token.lastIndex = 0;
  while (token.test(text)) end = token.lastIndex;
  return end;
}

function readEnvironment(env: Readonly<Record<string, string | undefined>>): Settings {
  const found: Record<string, string | number> = {};
  const names = new Map<string, string>();
  for (const [variable, key] of Object.entries(variables)) {
    const text = env[variable];
    if (text === undefined || text === "") continue;
    names.set(key, variable);
    if (numeric.has(key) && !/^\d+$/.test(text)) {
      throw new PilinkError("bad-config", `${variable}=${quoteValue(text)} is no whole number of milliseconds.`, {
        value: text,
      });
    }
    found[key] = numeric.has(key) ? Number(text) : text;
  }
  return check(found, (key) => names.get(key ?? "") ?? "The environment");
}

function checkFlags(flags: Settings): Settings {
  try {
    return check(flags, (key) => (key === undefined ? "The command" : `--${key}`));
  } catch (error) {
    // What was just typed is no configuration.
    if (isPilinkError(error))
      throw new PilinkError("bad-argument", error.message, { value: error.value, cause: error });
    throw error;
  }
}

function check(value: unknown, nameOf: (key: string | undefined) => string): Settings {
  const parsed = settingsSchema.safeParse(value);
  if (!parsed.success) {
    const key = parsed.error.issues[0]?.path[0];
    const where = nameOf(key === undefined ? undefined : String(key));
    throw new PilinkError(
      "bad-config",
      `${where} does not fit: ${describeIssues(parsed.error)}. Known keys: ${settingsSchema.keyof().options.join(", ")}.`,
      { value: where },
    );
  }
  if (parsed.data.url !== undefined) checkUrl(parsed.data.url, nameOf("url"));
  return parsed.data;
}

function checkUrl(url: string, where: string): void {
  try {
    parseAddress(url);
  } catch (error) {
    if (!isPilinkError(error)) throw error;
    throw new PilinkError("bad-config", `${where}: ${error.message}`, { value: error.value, cause: error });
  }
}
