import { join } from "node:path";
import { z } from "zod";
import { parseAddress } from "../protocol/address.ts";
import { isPilinkError, PilinkError, quoteValue } from "../protocol/errors.ts";
import { describeIssues } from "../protocol/version.ts";
import { type JsonObject, readJsonFile } from "./json-file.ts";

/** What happens with a message that arrived: put into the session, that and a turn started, or only kept in the inbox. */
export const deliveries = ["inject", "turn", "hold"] as const;
const deliverySchema = z.enum(deliveries);
// `<network>/<peer>`
const peerKeySchema = z.string().regex(/^[a-z0-9-][a-z0-9_-]{0,63}\/[a-z0-9-][a-z0-9_-]{0,63}$/);

/** The settings, wherever they stand. */
export const settingsSchema = z.strictObject({
  url: z.string().min(1).optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  ca: z.string().min(1).optional(),
  name: z.string().min(1).optional(),
  role: z.string().max(200).optional(),
  network: z.string().min(1).optional(),
  delivery: deliverySchema.optional(),
  deliveries: z.record(peerKeySchema, z.enum([...deliveries, "block"])).optional(),
  confirm: z.boolean().optional(),
  keepaliveMs: z.int().min(1_000).max(600_000).optional(),
  closingMs: z.int().min(0).max(86_400_000).optional(),
  acceptUnverified: z.boolean().optional(),
  auditDays: z.int().min(0).max(36_500).optional(),
});

/** What a person can set. Durations are in milliseconds. */
export type Settings = z.infer<typeof settingsSchema>;

/** Every key of {@link Settings}. */
export const settingKeys = settingsSchema.keyof().options;

/** What holds where nothing is set. A key that is missing here has no default: it is made up, or not there. */
export const defaults = {
  delivery: "inject",
  deliveries: {},
  confirm: false,
  keepaliveMs: 10_000,
  closingMs: 300_000,
  acceptUnverified: true,
  auditDays: 30,
} as const satisfies Settings;

/** The address that stands for the broker of this home, where another one is set. */
export const localBroker = "local";

const entranceSchema = settingsSchema.pick({ url: true, name: true, role: true });
const aliasPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

/** A table of aliases. A schema for its keys would say of a wrong one only that it is wrong. */
function aliasesOf<Value extends z.ZodType>(value: Value) {
  return z.record(z.string(), value).superRefine((table, context) => {
    for (const key of Object.keys(table).filter((key) => !aliasPattern.test(key))) {
      context.addIssue(`${quoteValue(key)} is no alias: use letters, digits, ".", "_" and "-"`);
    }
  });
}

const homeSchema = settingsSchema.extend({
  networks: aliasesOf(
    z.union([z.string().min(1), entranceSchema.extend({ network: z.string().min(1) })], {
      error: 'neither the name of a network nor {"network": …} with "url", "name" and "role"',
    }),
  ).optional(),
  urls: aliasesOf(z.string().min(1))
    .refine((table) => !Object.hasOwn(table, localBroker), `"${localBroker}" stands for the broker of this home`)
    .optional(),
  folders: z.record(z.string(), entranceSchema.extend({ network: z.string().min(1).optional() })).optional(),
});

/** What `config.json` in the home may hold beside the settings: aliases, and what the wizard remembers of folders. */
export type HomeSettings = z.infer<typeof homeSchema>;

/**
 * Reads `config.json` in the home.
 *
 * @throws PilinkError `bad-config` as {@link checkHomeSettings}, or where the file is no JSON
 */
export function readHomeSettings(home: string): HomeSettings {
  const path = join(home, "config.json");
  return checkHomeSettings(readJsonFile(path) ?? {}, path);
}

/**
 * Checks what is to stand in `config.json` in the home.
 *
 * @param path the file, for the message
 * @throws PilinkError `bad-config`
 */
export function checkHomeSettings(value: unknown, path: string): HomeSettings {
  const nameOf = nameIn(path);
  const read = check(homeSchema, value, nameOf);
  checkUrl(read.url, nameOf("url"));
  for (const url of Object.values(read.urls ?? {})) checkUrl(url, nameOf("urls"));
  for (const entry of Object.values(read.networks ?? {})) {
    if (typeof entry !== "string") checkUrl(entry.url, nameOf("networks"));
  }
  for (const { url } of Object.values(read.folders ?? {})) checkUrl(url, nameOf("folders"));
  return read;
}

/** Each variable of the environment with the setting that it stands for. */
export const variables = {
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
  PILINK_AUDIT_DAYS: "auditDays",
} as const satisfies Record<string, keyof Settings>;

const numeric = new Set<string>(["keepaliveMs", "closingMs", "auditDays"]);

/**
 * Reads the settings that stand in the environment.
 *
 * @throws PilinkError `bad-config` naming the variable
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Settings {
  const found: JsonObject = {};
  const names = new Map<string, string>();
  for (const [variable, key] of Object.entries(variables)) {
    const text = env[variable];
    if (text === undefined || text === "") continue;
    names.set(key, variable);
    if (numeric.has(key) && !/^\d+$/.test(text)) {
      throw new PilinkError(
        "bad-config",
        `${variable}=${quoteValue(text)} is no whole number of ${key.endsWith("Ms") ? "milliseconds" : "days"}.`,
        {
          value: text,
        },
      );
    }
    found[key] = numeric.has(key) ? Number(text) : text;
  }
  const nameOf = (key: string | undefined) => names.get(key ?? "") ?? "The environment";
  const settings = check(settingsSchema, found, nameOf);
  checkUrl(settings.url, nameOf("url"));
  return settings;
}

/**
 * Checks what was given by flags.
 *
 * @throws PilinkError `bad-argument` naming the flag
 */
export function checkFlags(flags: Settings): Settings {
  const nameOf = (key: string | undefined) => (key === undefined ? "The command" : `--${key}`);
  try {
    const settings = check(settingsSchema, flags, nameOf);
    checkUrl(settings.url, nameOf("url"));
    return settings;
  } catch (error) {
    // What was just typed is no configuration.
    if (isPilinkError(error))
      throw new PilinkError("bad-argument", error.message, { value: error.value, cause: error });
    throw error;
  }
}

/**
 * Checks what stands in a folder's `.pilink.json`.
 *
 * @param path the file, for the message
 * @throws PilinkError `bad-config`
 */
export function checkFolderSettings(value: unknown, path: string): Settings {
  const nameOf = nameIn(path);
  const settings = check(settingsSchema, value, nameOf);
  checkUrl(settings.url, nameOf("url"));
  return settings;
}

function check<Schema extends z.ZodObject>(
  schema: Schema,
  value: unknown,
  nameOf: (key: string | undefined) => string,
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const key = parsed.error.issues[0]?.path[0];
    const where = nameOf(key === undefined ? undefined : String(key));
    throw new PilinkError(
      "bad-config",
      `${where} does not fit: ${describeIssues(parsed.error)}. Known keys: ${Object.keys(schema.shape).join(", ")}.`,
      { value: where },
    );
  }
  return parsed.data;
}

function checkUrl(url: string | undefined, where: string): void {
  if (url === undefined) return;
  try {
    parseAddress(url);
  } catch (error) {
    if (!isPilinkError(error)) throw error;
    throw new PilinkError("bad-config", `${where}: ${error.message}`, { value: error.value, cause: error });
  }
}

function nameIn(path: string): (key: string | undefined) => string {
  const what = `The configuration ${path}`;
  return (key) => (key === undefined ? what : `${what}, "${key}"`);
}
