import { realpathSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { PilinkError } from "../protocol/errors.ts";
import { ensureFolder, hasCode, unusable, writeFileAtomically } from "../store/folder.ts";
import { waitForLock } from "../store/lock.ts";
import { type JsonObject, readJsonFile } from "./json-file.ts";
import { checkHomeSettings } from "./settings.ts";

// A change takes a few milliseconds; who waits longer than this waits for a process that was stopped in the middle.
const lockTimeoutMs = 10_000;

/**
 * Changes `config.json` in the home. What the change leaves alone stays as it was written, also keys that this version
 * does not know. Two processes that change it at once do so one after the other.
 *
 * @param home the home (`PILINK_HOME`); made where it is missing
 * @param change is given a copy of what the file holds, an empty object where there is none, and returns what it is to
 *   hold; it may run in the copy itself, and must not wait
 * @throws PilinkError `bad-config` where the file is broken or a changed value does not fit: the file stays as it was;
 *   `state-unusable` where it cannot be written; what `change` throws
 */
export async function changeHomeConfig(home: string, change: (held: JsonObject) => JsonObject): Promise<void> {
  ensureFolder(home);
  const lock = await waitForLock(join(home, "config-lock"), { timeoutMs: lockTimeoutMs });
  if (lock.held) {
    throw new PilinkError(
      "state-unusable",
      `The configuration in ${home} is being changed by the process ${lock.holder.pid} since more than ${lockTimeoutMs / 1000} s. Try again, or end that process.`,
      { value: home },
    );
  }
  try {
    const path = followLink(join(home, "config.json"));
    const held = readJsonFile(path) ?? {};
    const wanted = change(structuredClone(held));
    const changed = Object.keys(wanted).filter((key) => !isDeepStrictEqual(wanted[key], held[key]));
    if (changed.length === 0 && Object.keys(held).every((key) => Object.hasOwn(wanted, key))) return;
    checkHomeSettings(Object.fromEntries(changed.map((key) => [key, wanted[key]])), path);
    await writeFileAtomically(path, `${JSON.stringify(wanted, null, 2)}\n`);
  } finally {
    await lock.release();
  }
}

/** The file behind a link: who keeps its configuration elsewhere keeps the link. */
function followLink(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return path;
    throw unusable(path, error);
  }
}
