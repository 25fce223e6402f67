import { access, constants, open, stat, statfs, unlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { folderNameOf } from "../protocol/address.ts";
import { hasCode, temporaryName, unusable } from "../store/folder.ts";
import { statePath } from "./state.ts";
import { type Check, judgeFault, type Place } from "./verdicts.ts";

// The outbox alone may take 64 MiB (topics.md, [DEL-9]).
const scarceBytes = 100 * 2 ** 20;
// More than a message of the usual size, less than what a nearly full disk is proud of.
const trialBytes = 64 * 2 ** 10;

/**
 * Checks whether the inbox and outbox can be written, by a file that is removed at once. What is not there is not made.
 *
 * @param home the folder of all state
 * @param place whose inbox
 * @param isDefaultBroker true where nobody named the broker's address
 */
export async function checkStateFolder(home: string, place: Place, isDefaultBroker: boolean): Promise<Check> {
  const { network, name, address } = place;
  const brokerFolder = isDefaultBroker || address === undefined ? undefined : folderNameOf(address);
  const wanted = network === undefined ? home : statePath(home, network, brokerFolder, name);
  const existing = await nearestFolder(wanted);
  try {
    // Above the home nothing is pilink's to write in.
    if (isInside(home, existing)) await writeTrial(existing);
    else await access(existing, constants.W_OK | constants.X_OK);
    if (existing === wanted && network !== undefined) {
      for (const file of ["inbox.jsonl", "outbox.jsonl"]) await openForWriting(join(existing, file));
    }
    const { bavail, bsize } = await statfs(existing);
    const where = existing === wanted ? `${wanted} can be written` : `${wanted} will be made in ${existing}`;
    return judgeSpace(where, bavail * bsize);
  } catch (error) {
    return judgeFault("inbox", unusable(existing, error));
  }
}

/** @param where what is known of the folder, for the text */
export function judgeSpace(where: string, freeBytes: number): Check {
  if (freeBytes >= scarceBytes) return { name: "inbox", verdict: "ok", text: where };
  return {
    name: "inbox",
    verdict: "warning",
    text: `${where}, but only ${Math.floor(freeBytes / 2 ** 20)} MiB are free on that disk`,
    wayOut: "Free some space, or set PILINK_HOME to a folder on another disk.",
  };
}

/** The folder itself, or the nearest one above it that is there. What stands in its place counts as it. */
async function nearestFolder(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if (!hasCode(error, "ENOENT") || dirname(path) === path) return path;
    return nearestFolder(dirname(path));
  }
}

function isInside(home: string, path: string): boolean {
  const way = relative(home, path);
  return way === "" || !way.startsWith("..");
}

async function writeTrial(folder: string): Promise<void> {
  const path = temporaryName(join(folder, "doctor"));
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(Buffer.alloc(trialBytes));
    await file.sync();
  } finally {
    await file.close();
    await unlink(path);
  }
}

async function openForWriting(path: string): Promise<void> {
  try {
    await (await open(path, "r+")).close();
  } catch (error) {
    // It is made when the network is entered.
    if (!hasCode(error, "ENOENT")) throw error;
  }
}
