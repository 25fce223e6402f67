import { existsSync } from "node:fs";
import { join } from "node:path";
import { PilinkError } from "../protocol/errors.ts";
import { openJournal } from "../store/journal.ts";
import { acquireLock, readLock } from "../store/lock.ts";
import { Inbox, inboxLineSchema } from "./inbox.ts";
import type { InboxEntry } from "./peer.ts";
import { boxIn } from "./state.ts";

/** The inbox of a peer that has ended, with what nobody took from it. */
export interface LeftInbox {
  unread(): InboxEntry[];
  /** Everything that arrived, the oldest first. */
  entries(): InboxEntry[];
  /** Notes that messages were taken. Their senders are not told: nobody is in the network for that. */
  markSeen(ids: string[]): void;
  /** Gives the inbox up. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the inbox of a peer that has ended, for a process that ends soon: where that peer was killed, the lock is not
 * released but dies with this process.
 *
 * @param path its state folder
 * @param box the box that the messages were for: a later peer of the same name and folder may have another
 * @returns undefined where there is none of that box
 * @throws PilinkError `name-taken` where a living process has it, `state-unusable`
 */
export async function openLeftInbox(path: string, box: string): Promise<LeftInbox | undefined> {
  if (!existsSync(path)) return undefined;
  const former = await readLock(path);
  // Under the dead process's own words, so that its lock goes on to prove its death to others (hazard 2).
  const lock = await acquireLock(path, former?.extra ?? {});
  if (lock.held) {
    throw new PilinkError(
      "name-taken",
      `The inbox ${path} is in use by another process on this machine (pid ${lock.holder.pid}).`,
      { value: lock.holder.pid },
    );
  }
  const isProof = former?.alive === "dead";
  const release = () => (isProof ? Promise.resolve() : lock.release());
  try {
    const file = join(path, "inbox.jsonl");
    if (boxIn(path) !== box || !existsSync(file)) {
      await release();
      return undefined;
    }
    const inbox = new Inbox(openJournal(file, inboxLineSchema));
    let closing: Promise<void> | undefined;
    return {
      unread: () => inbox.unread(),
      entries: () => inbox.entries(),
      markSeen: (ids) => void inbox.mark(ids, "seen"),
      close() {
        closing ??= inbox.flush().then(() => {
          inbox.close();
          return release();
        });
        return closing;
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}
