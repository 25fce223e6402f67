import { lstat, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { absentCodes, hasCode, listNames, unusable, writeFileAtomically } from "../store/folder.ts";
import { acquireLock } from "../store/lock.ts";
import { isRolled } from "../store/rolling-file.ts";
import { auditFile } from "./audit.ts";
import { isOver, networksFolder } from "./state.ts";

const dayMs = 24 * 60 * 60 * 1_000;

/** What {@link removeOldRecords} goes by. */
export interface Retention {
  /** `PILINK_HOME` */
  home: string;
  /** The state folder that this process holds. */
  ownPath: string;
  /** For how many days after a network's end its records are kept. */
  auditDays: number;
  nowMs: number;
}

// Each peer that enters looks at its own folder. The others' are hundreds where a home is old, and once a day will do.
const pauseMs = dayMs;
const markName = "tidied";

/**
 * As {@link removeOldRecords}, but the other folders of the home are looked at once a day, by whoever enters first, and
 * where less is to be kept than the last time.
 *
 * @throws PilinkError `state-unusable`
 */
export async function tidyHome(retention: Retention): Promise<void> {
  const mark = join(retention.home, markName);
  const last = await readMark(mark);
  // A mark from the future is one that a wrong clock has left.
  const isRecent = Math.abs(retention.nowMs - last.atMs) < pauseMs && last.auditDays <= retention.auditDays;
  if (isRecent) return removeOwn(retention);
  await writeFileAtomically(mark, String(retention.auditDays));
  await removeOldRecords(retention);
}

async function readMark(path: string): Promise<{ atMs: number; auditDays: number }> {
  try {
    return { atMs: (await lstat(path)).mtimeMs, auditDays: Number(await readFile(path, "utf8")) };
  } catch {
    // Nobody has looked yet; what is wrong with the disk is found by whoever writes the mark.
    return { atMs: 0, auditDays: Number.NaN };
  }
}

async function removeOwn({ ownPath, auditDays, nowMs }: Retention): Promise<void> {
  try {
    await removeEarlier(ownPath, nowMs - auditDays * dayMs);
  } catch (cause) {
    throw unusable(ownPath, cause);
  }
}

/**
 * Removes what peers of this home recorded of networks that ended long ago: the audits, the files of earlier instances,
 * and where the network of a folder is known to be over also its inbox and outbox. What a living process holds stays.
 * So do the inbox and outbox of a network that may still live: its messages must not come twice.
 *
 * @throws PilinkError `state-unusable` where something cannot be read or removed; the rest was removed all the same
 */
export async function removeOldRecords(retention: Retention): Promise<void> {
  const beforeMs = retention.nowMs - retention.auditDays * dayMs;
  const root = networksFolder(retention.home);
  const faults: unknown[] = [];
  for (const network of await listNames(root, absentCodes)) {
    for (const name of await listNames(join(root, network), absentCodes).catch(() => [])) {
      const path = join(root, network, name);
      try {
        if (path === retention.ownPath) await removeEarlier(path, beforeMs);
        else await removeFromOther(path, beforeMs);
      } catch (cause) {
        faults.push(unusable(path, cause));
      }
    }
  }
  if (faults.length > 0) throw faults[0];
}

async function removeFromOther(path: string, beforeMs: number): Promise<void> {
  const names = await listNames(path, absentCodes);
  const holdsRecords = names.some((name) => !isLock(name) && name !== "box.json");
  if (!holdsRecords || (await newestMs(path, names)) >= beforeMs) return;
  const lock = await acquireLock(path);
  if (lock.held) return;
  try {
    // Somebody may have been in and out again before the lock was taken; whoever was has written the box file.
    const present = (await listNames(path, absentCodes)).filter((name) => !isLock(name));
    if ((await newestMs(path, present)) >= beforeMs) return;
    const isEnded = isOver(path);
    await removeEarlier(path, beforeMs);
    for (const name of present) {
      if (isEnded || isRolled(name, auditFile)) await rm(join(path, name), { recursive: true, force: true });
    }
  } finally {
    await lock.release();
  }
}

/** Removes what was put aside: it was, when its network had ended. */
async function removeEarlier(path: string, beforeMs: number): Promise<void> {
  const earlier = join(path, "earlier");
  for (const name of await listNames(earlier, absentCodes)) {
    const folder = join(earlier, name);
    const movedMs = await writtenMs(folder);
    if (Math.max(movedMs, await newestMs(folder, await listNames(folder, absentCodes))) >= beforeMs) continue;
    await rm(folder, { recursive: true, force: true });
  }
}

/** When something of it was last written; the lock's file is, when a peer leaves. */
async function newestMs(folder: string, names: readonly string[]): Promise<number> {
  const times = await Promise.all(names.map((name) => writtenMs(join(folder, name))));
  return Math.max(Number.NEGATIVE_INFINITY, ...times);
}

/** What was there a moment ago and is gone is being worked on by somebody: it counts as written just now. */
async function writtenMs(path: string): Promise<number> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (hasCode(error, ...absentCodes)) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

function isLock(name: string): boolean {
  return /^lock\.\d+$/.test(name);
}
