import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { messageOf, PilinkError, quoteValue } from "../protocol/errors.ts";
import { describeIssues } from "../protocol/version.ts";
import { hasCode } from "../store/folder.ts";

const settingsSchema = z.strictObject({
  url: z.string().min(1).optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  name: z.string().min(1).optional(),
  role: z.string().max(200).optional(),
  network: z.string().min(1).optional(),
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
  sources: { [Key in keyof Settings]?: SettingSource };
}

// Each variable with the setting that it stands for.
const variables = {
  PILINK_URL: "url",
  PILINK_USERNAME: "username",
  PILINK_PASSWORD: "password",
  PILINK_NAME: "name",
  PILINK_ROLE: "role",
  PILINK_NETWORK: "network",
  PILINK_KEEPALIVE_MS: "keepaliveMs",
  PILINK_CLOSING_MS: "closingMs",
} as const satisfies Record<string, keyof Settings>;

const numeric = new Set<string>(["keepaliveMs", "closingMs"]);

/**
 * Collects the settings: flags before the environment before `.pilink.json` in the folder before `config.json` in the
 * home.
 *
 * @param places the home (`PILINK_HOME`), the working folder, the environment, and what was given by flags
 * @throws PilinkError `bad-config` naming the file or variable, what is wrong with it, and the way out
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
    ["flag", places.flags],
  ];
  const resolved: ResolvedSettings = { values: {}, sources: {} };
  for (const [source, layer] of layers) {
    for (const key of settingsSchema.keyof().options) {
      if (layer[key] === undefined) continue;
      Object.assign(resolved.values, { [key]: layer[key] });
      resolved.sources[key] = source;
    }
  }
  return resolved;
}

function readFile(path: string): Settings {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (hasCode(cause, "ENOENT", "ENOTDIR")) return {};
    throw new PilinkError(
      "bad-config",
      `The configuration ${path} cannot be read: ${messageOf(cause)}. Mend or remove it.`,
      {
        value: path,
        cause,
      },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PilinkError(
      "bad-config",
      `The configuration ${path} is no JSON: ${messageOf(cause)}. Mend or remove it.`,
      {
        value: path,
        cause,
      },
    );
  }
  return check(value, `The configuration ${path}`);
}

function readEnvironment(env: Readonly<Record<string, string | undefined>>): Settings {
  const found: Record<string, string | number> = {};
  for (const [variable, key] of Object.entries(variables)) {
    const text = env[variable];
    if (text === undefined || text === "") continue;
    if (numeric.has(key) && !/^\d+$/.test(text)) {
      throw new PilinkError("bad-config", `${variable}=${quoteValue(text)} is no whole number of milliseconds.`, {
        value: text,
      });
    }
    found[key] = numeric.has(key) ? Number(text) : text;
  }
  return check(found, "The environment");
}

function check(value: unknown, what: string): Settings {
  const parsed = settingsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new PilinkError(
    "bad-config",
    `${what} does not fit: ${describeIssues(parsed.error)}. Known keys: ${settingsSchema.keyof().options.join(", ")}.`,
    { value: what },
  );
}
