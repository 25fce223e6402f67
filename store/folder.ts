import { randomBytes } from "node:crypto";
import { accessSync, chmodSync, constants, mkdirSync, statSync } from "node:fs";
import { open, readdir, rename, unlink } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { messageOf, PilinkError } from "../protocol/errors.ts";

/**
 * The folder that holds all state of this person.
 *
 * @param env the environment, for `PILINK_HOME`; an empty value counts as unset, a relative one is resolved
 */
export function homeFolder(env: Readonly<Record<string, string | undefined>>): string {
  const named = env.PILINK_HOME;
  return named === undefined || named === "" ? join(homedir(), ".pilink") : resolve(named);
}

/**
 * Makes a folder, and those above it, that only its owner can look into, and makes sure it can be used.
 *
 * @param path the folder
 * @throws PilinkError `state-unusable` naming the path and the way out
 */
export function ensureFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stat = statSync(path);
    if (!stat.isDirectory()) throw new Error("it is no directory");
    // A folder that was there before may be open to others; what is inside may hold tokens and messages.
    if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unusable(path, cause);
  }
}

/**
 * Replaces a file in one step, so that a reader sees the old text or the new one and a crash leaves one of them.
 * Only the owner can read it.
 *
 * @param path the file; its folder exists
 * @param text the whole content
 * @throws PilinkError `state-unusable` where it cannot be written
 */
export async function writeFileAtomically(path: string, text: string): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeDurably(temporary, text);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await removeFile(temporary);
    throw unusable(path, cause);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text, "utf8");
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Removes a file; that it is not there is no fault.
 *
 * @param path the file
 */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw unusable(path, error);
  }
}

/** What says that a path, or a folder above it, is not there. */
export const absentCodes = ["ENOENT", "ENOTDIR"] as const;

/**
 * The names in a folder; none where it is not there.
 *
 * @param absent the codes that mean so
 * @throws PilinkError `state-unusable` where it cannot be read
 */
export async function listNames(path: string, absent: readonly string[] = ["ENOENT"]): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (hasCode(error, ...absent)) return [];
    throw unusable(path, error);
  }
}

/** A name beside a file, that no other process and no other call uses. */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`;
}

/** True where an error of the file system or the network carries this code. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}

/** The error for a path that cannot be used. */
export function unusable(path: string, cause: unknown): PilinkError {
  return new PilinkError(
    "state-unusable",
    `The state folder cannot be used: ${path}: ${messageOf(cause)}. ` +
      (hasCode(cause, "ENOSPC", "EDQUOT")
        ? "Free some space on that disk, or set PILINK_HOME to a folder on another one."
        : "Make it writable for you, or set PILINK_HOME to another folder."),
    { value: path, cause },
  );
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder; there the rename is as durable as it gets.
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } catch (error) {
    // Some file systems have no sync for folders, and say so.
    if (!hasCode(error, "EINVAL", "ENOTSUP", "EPERM")) throw error;
  } finally {
    await folder.close();
  }
}
