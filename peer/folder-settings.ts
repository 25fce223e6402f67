import { existsSync } from "node:fs";
import { join } from "node:path";
import type { FolderTrust, ResolvedSettings } from "./config.ts";
import { readJsonFile } from "./json-file.ts";
import { checkFolderSettings, type Settings } from "./settings.ts";

/**
 * Reads a folder's `.pilink.json`, as far as it may be read.
 *
 * @param own what the person has set for single agents: nothing that is not trusted makes that looser
 * @returns what is left of it, and for the person what was left out
 * @throws PilinkError `bad-config` naming the file; not where it is ignored
 */
export function readFolderSettings(
  folder: string,
  trust: FolderTrust,
  own: Settings["deliveries"] = {},
): { settings: Settings; notes: string[] } {
  const path = folderFile(folder);
  if (trust === "none") {
    const isThere = existsSync(path);
    return {
      settings: {},
      notes: isThere ? [`${path} was ignored, because Pi does not trust this folder (/trust).`] : [],
    };
  }
  const settings = checkFolderSettings(readJsonFile(path) ?? {}, path);
  if (trust === "granted") return { settings, notes: [] };
  const { calm, ignored } = holdBack(settings, own);
  return {
    settings: calm,
    notes:
      ignored.length === 0
        ? []
        : [
            `${path} asks for ${ignored.join(", ")}; that was ignored, because nobody has said that this folder is trusted (/trust).`,
          ],
  };
}

/**
 * Leaves out what would let more in, or out, than the person has set: who cloned a folder has not read its file. What
 * holds more back harms nobody.
 */
function holdBack(settings: Settings, own: NonNullable<Settings["deliveries"]>): { calm: Settings; ignored: string[] } {
  const { delivery, deliveries, confirm, acceptUnverified, auditDays, ...rest } = settings;
  const calm: Settings = rest;
  const ignored: string[] = [];
  if (delivery === "hold") calm.delivery = delivery;
  else if (delivery !== undefined) ignored.push(`"delivery": "${delivery}"`);
  if (confirm === true) calm.confirm = confirm;
  else if (confirm !== undefined) ignored.push('"confirm": false');
  if (acceptUnverified === false) calm.acceptUnverified = acceptUnverified;
  else if (acceptUnverified !== undefined) ignored.push('"acceptUnverified": true');
  if (auditDays !== undefined) ignored.push('"auditDays"');
  if (deliveries === undefined) return { calm, ignored };
  const isCalm = ([peer, value]: [string, string]) =>
    value === "block" || (value === "hold" && !(Object.hasOwn(own, peer) && own[peer] === "block"));
  const entries = Object.entries(deliveries);
  for (const entry of entries) if (!isCalm(entry)) ignored.push(`"${entry[1]}" for "${entry[0]}"`);
  return { calm: { ...calm, deliveries: Object.fromEntries(entries.filter(isCalm)) }, ignored };
}

/**
 * Takes the person's account back where the address came with an untrusted folder, and the folder's certificates where
 * the address is the person's.
 *
 * @param settled what holds, changed in place
 * @param isForeign true where the address is the folder's, and nowhere the person's
 * @returns for the person, what was left out
 */
export function keepAccount(
  { values, sources }: Pick<ResolvedSettings, "values" | "sources">,
  folder: string,
  isForeign: boolean,
): string[] {
  const path = folderFile(folder);
  const drop = (...keys: (keyof Settings)[]) => {
    for (const key of keys) {
      delete values[key];
      sources[key] = "default";
    }
  };
  const lent = (["username", "password"] as const).filter(
    (key) => values[key] !== undefined && sources[key] !== "folder",
  );
  if (isForeign && lent.length > 0) {
    drop(...lent);
    return [
      `The broker's address comes from ${path}, and nobody has said that this folder is trusted (/trust), so your user name and password were not given to it.`,
    ];
  }
  if (values.ca === undefined || sources.ca !== "folder" || isForeign) return [];
  drop("ca");
  return [`The certificates that ${path} names were ignored, because they are not for your broker (/trust).`];
}

function folderFile(folder: string): string {
  return join(folder, ".pilink.json");
}
