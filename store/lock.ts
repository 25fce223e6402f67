import { randomBytes } from "node:crypto";
import { link, readFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { PilinkError } from "../protocol/errors.ts";
import { ensureFolder, hasCode, listNames, removeFile, temporaryName, unusable } from "./folder.ts";
import { type Liveness, livenessOf, ownIdentity } from "./process.ts";
import { type ProcessIdentity, processIdentitySchema } from "./process-identity.ts";

/**
 * A lock in a folder, held by a process for as long as it lives.
 *
 * Each holder is one file `lock.<generation>`, the highest one counts. Taking the lock is `link()` of a complete file
 * to the generation after one whose holder is dead or has released it: the system lets one contender succeed.
 *
 * The highest generation is never removed, a release only marks it, so that numbers never start again. If a release
 * removed the file, then of two contenders who both looked before, one could take the number, work, release, and the
 * other could take the very same number a moment after a third one did: each would hold "the" lock.
 */
const contentSchema = z.object({
  holder: processIdentitySchema,
  /** Tells this holding from any other, also in the same process. */
  token: z.string(),
  released: z.boolean(),
  extra: z.record(z.string(), z.unknown()),
});
type Content = z.infer<typeof contentSchema>;

/** What a holder says about itself, for those who find the lock held. */
export type LockExtra = Record<string, unknown>;

/** Who holds a lock. */
export interface LockHolder {
  holder: ProcessIdentity;
  /** `unknown` (another machine, another container) has to be treated as living. */
  alive: Liveness;
  extra: LockExtra;
}

/** A lock that this process holds. */
export interface HeldLock {
  held: false;
  generation: number;
  /** Gives the lock up. Idempotent. */
  release(): Promise<void>;
}

/** A lock that somebody else holds. */
export interface RefusedLock extends LockHolder {
  held: true;
}

/**
 * Takes the lock of a folder if nobody who lives holds it.
 *
 * @param folder made where it is missing; nothing else may use it for files named `lock.<n>`
 * @param extra what others may read about this holder; JSON
 * @returns `held: false` and the lock, or `held: true` and who has it
 * @throws PilinkError `state-unusable` where the folder cannot be used
 */
export async function acquireLock(folder: string, extra: LockExtra = {}): Promise<HeldLock | RefusedLock> {
  ensureFolder(folder);
  const content: Content = {
    holder: ownIdentity(),
    token: randomBytes(12).toString("hex"),
    released: false,
    extra,
  };
  const temporary = temporaryName(join(folder, "taking"));
  try {
    for (let written = false; ; written = true) {
      const highest = await readHighest(folder);
      if (highest.holder !== undefined && highest.holder.alive !== "dead") return { held: true, ...highest.holder };
      // Not synced to the disk: what a power cut damages belongs to a boot that is over, so its holder is dead anyway.
      if (!written) await writeFile(temporary, JSON.stringify(content), { flag: "wx", mode: 0o600 });
      const generation = highest.generation + 1;
      if (await takeGeneration(folder, temporary, generation)) {
        return { held: false, generation, release: releaseOnce(folder, generation, content) };
      }
    }
  } catch (error) {
    throw error instanceof PilinkError ? error : unusable(folder, error);
  } finally {
    await removeFile(temporary);
  }
}

/**
 * Looks who holds the lock of a folder.
 *
 * @param folder the folder; it need not exist
 * @returns undefined where nobody holds it; a holder may be `dead`
 */
export async function readLock(folder: string): Promise<LockHolder | undefined> {
  return (await readHighest(folder)).holder;
}

/**
 * Takes the lock of a folder as soon as it is free.
 *
 * @param folder as for {@link acquireLock}
 * @param options how long to wait, in ms, how often to look, and what others may read about this holder
 * @returns the lock, or who had it when the time was over
 * @throws PilinkError `state-unusable` where the folder cannot be used
 */
export async function waitForLock(
  folder: string,
  options: { timeoutMs: number; pollMs?: number; extra?: LockExtra },
): Promise<HeldLock | RefusedLock> {
  const deadline = performance.now() + options.timeoutMs;
  const pollMs = options.pollMs ?? 25;
  for (;;) {
    const result = await acquireLock(folder, options.extra);
    const leftMs = deadline - performance.now();
    if (!result.held || leftMs <= 0) return result;
    // Some jitter, so that those who wait do not all look at the same moment.
    await delay(Math.min(leftMs, pollMs * (0.5 + Math.random())));
  }
}

/**
 * Tries to become the holder of one generation; a step of {@link acquireLock}, apart so that its schedule can be tested.
 *
 * @param folder the lock's folder
 * @param temporary the complete file to link
 * @param generation the one after that which was found dead or released
 * @returns true if this process now holds it
 */
export async function takeGeneration(folder: string, temporary: string, generation: number): Promise<boolean> {
  try {
    await link(temporary, pathOf(folder, generation));
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
  const names = await listNames(folder);
  const generations = generationsIn(names);
  // Who slept between looking and linking may have linked to a number that was used and removed in the meantime.
  // Numbers are removed from the lowest on, so then the one before it is gone as well, and a higher one is there.
  const stale =
    (generation > 1 && !generations.includes(generation - 1)) || generations.some((other) => other > generation);
  if (stale) {
    await removeFile(pathOf(folder, generation));
    return false;
  }
  const older = generations.filter((other) => other < generation);
  for (const other of older.sort((a, b) => a - b)) await removeFile(pathOf(folder, other));
  const leftovers = names.filter((name) => name.endsWith(".tmp") && join(folder, name) !== temporary);
  await removeLeftovers(leftovers.map((name) => join(folder, name)));
  return true;
}

/** Removes the temporary files of contenders that were killed. */
async function removeLeftovers(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const content = await readContent(path);
    if (content !== undefined && livenessOf(content.holder) === "dead") await removeFile(path);
  }
}

function releaseOnce(folder: string, generation: number, content: Content): () => Promise<void> {
  let released: Promise<void> | undefined;
  return () => {
    released ??= release(folder, generation, content);
    return released;
  };
}

async function release(folder: string, generation: number, content: Content): Promise<void> {
  const path = pathOf(folder, generation);
  // The folder may have been removed, and even made anew by others, whose file of this number is not ours to mark.
  if ((await readContent(path))?.token !== content.token) return;
  const temporary = temporaryName(join(folder, "releasing"));
  try {
    await writeFile(temporary, JSON.stringify({ ...content, released: true }), { flag: "wx", mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await removeFile(temporary);
    // The folder was removed in between, and the lock with it.
    if (hasCode(error, "ENOENT")) return;
    // A full disk has no room for the mark; an empty file needs none, and counts as free as well.
    await truncate(path, 0).catch(() => {
      throw unusable(folder, error);
    });
  }
}

async function readHighest(folder: string): Promise<{ generation: number; holder?: LockHolder }> {
  for (;;) {
    const generation = Math.max(0, ...(await readGenerations(folder)));
    if (generation === 0) return { generation };
    const path = pathOf(folder, generation);
    const content = await readContent(path);
    if (content === undefined) {
      // Gone: a higher one was taken since the look. Still there: it was complete when it was linked,
      // so it was damaged later, by a power cut; its holder did not survive that.
      if (await exists(path)) return { generation };
      continue;
    }
    if (content.released) return { generation };
    return {
      generation,
      holder: { holder: content.holder, alive: livenessOf(content.holder), extra: content.extra },
    };
  }
}

async function readContent(path: string): Promise<Content | undefined> {
  try {
    return contentSchema.safeParse(JSON.parse(await readFile(path, "utf8"))).data;
  } catch (error) {
    if (hasCode(error, "ENOENT") || error instanceof SyntaxError) return undefined;
    throw unusable(path, error);
  }
}

async function readGenerations(folder: string): Promise<number[]> {
  return generationsIn(await listNames(folder));
}

function generationsIn(names: readonly string[]): number[] {
  return names.flatMap((name) => {
    const digits = /^lock\.([1-9]\d{0,14})$/.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw unusable(path, error);
  }
}

function pathOf(folder: string, generation: number): string {
  return join(folder, `lock.${generation}`);
}
