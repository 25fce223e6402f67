import { mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { idSchema, newBox } from "../protocol/ids.ts";
import { ensureFolder, hasCode, unusable, writeFileAtomically } from "../store/folder.ts";
import { type OpenedJournal, openJournal } from "../store/journal.ts";
import { acquireLock, type HeldLock, type LockHolder, readLock } from "../store/lock.ts";
import { isRolled } from "../store/rolling-file.ts";
import { auditFile } from "./audit.ts";
import { inboxLineSchema } from "./inbox.ts";
import { describeEntry, Outbox, outboxLineSchema } from "./outbox.ts";
import type { SentEntry } from "./peer.ts";

const boxFileSchema = z.object({
  box: idSchema,
  /** The working folder whose peer this is: the same name elsewhere is somebody else. */
  folder: z.string(),
  /** The last life that had this state. */
  epoch: idSchema,
  /** The instance that the inbox and outbox belong to. */
  net: idSchema.nullable(),
  /** The last `seq` used for each receiver's box in earlier instances: it never starts again. */
  seqs: z.array(z.tuple([idSchema, z.int()])),
  /** True once that instance is known to have ended. */
  over: z.boolean().optional(),
});
type BoxFile = z.infer<typeof boxFileSchema>;

/** Where a peer keeps what must outlive its process. */
export interface StateFolder {
  path: string;
  box: string;
  /** The life that had this state before, which has ended: its lock is ours. */
  former: string | undefined;
  /** The instance of the last stay, or null. */
  net: string | null;
  seqs: ReadonlyMap<string, number>;
  lock: HeldLock;
  /** Opens the inbox and outbox of an instance; those of an earlier one are put aside. */
  enter(net: string): Promise<{
    inbox: OpenedJournal<z.infer<typeof inboxLineSchema>>;
    outbox: OpenedJournal<z.infer<typeof outboxLineSchema>>;
    /** What still waited in an earlier instance, which ended while nobody was here to see it. */
    ended: SentEntry[];
  }>;
  /** Gives the state up. @param isOver true where the instance has ended for everybody, so that its records grow old */
  release(isOver: boolean): Promise<void>;
}

/** Where the states of all peers of a home are: `<network>/<peer>`. */
export function networksFolder(home: string): string {
  return join(home, "networks");
}

/**
 * The path of a peer's state.
 *
 * @param brokerFolder undefined for the home's own broker, otherwise the broker's name for a folder
 */
export function statePath(home: string, network: string, brokerFolder: string | undefined, name: string): string {
  // "@" can stand in no network's name, so another broker's network of the same name is never mistaken for this one.
  return join(networksFolder(home), brokerFolder === undefined ? network : `${network}@${brokerFolder}`, name);
}

/**
 * Takes a peer's state for this process.
 *
 * @param folder the working folder
 * @param epoch the life that takes it, for others on this machine to see when its process dies
 * @returns the state, or who holds it
 * @throws PilinkError `state-unusable`
 */
export async function takeState(
  path: string,
  folder: string,
  epoch: string,
): Promise<{ state: StateFolder } | { holder: LockHolder }> {
  const lock = await acquireLock(path, { epoch });
  if (lock.held) return { holder: lock };
  try {
    const found = readBoxFile(path);
    const file: BoxFile =
      found?.folder === folder
        ? { ...found, epoch, over: false }
        : { box: newBox(), folder, epoch, net: null, seqs: [] };
    await writeBoxFile(path, file);
    // After the new box is written: the numbers of the former one are in a file that is moved here.
    if (file.box !== found?.box) putAside(path, found?.net ?? null);
    return { state: makeState(path, file, lock, found?.epoch) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Whether the process of a life is provably dead: its lock is on this machine and nobody holds it any more (hazard 2).
 *
 * @param path the life's state folder, as {@link statePath} gives it
 */
export async function isProvablyDead(path: string, epoch: string): Promise<boolean> {
  const holder = await readLock(path);
  return holder !== undefined && holder.extra.epoch === epoch && holder.alive === "dead";
}

/**
 * The same for a life of which only the names are known: it may have come to the same broker by another address, and
 * then it has its state under that address's name.
 */
export async function isDeadHere(home: string, network: string, name: string, epoch: string): Promise<boolean> {
  const root = networksFolder(home);
  let folders: string[];
  try {
    folders = await readdir(root);
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) return false;
    throw unusable(root, cause);
  }
  const own = folders.filter((folder) => folder === network || folder.startsWith(`${network}@`));
  const verdicts = await Promise.all(own.map((folder) => isProvablyDead(join(root, folder, name), epoch)));
  return verdicts.includes(true);
}

/** The box of a peer's state; undefined where there is none. @param path the state folder */
export function boxIn(path: string): string | undefined {
  return readBoxFile(path)?.box;
}

/**
 * Whether the instance of a state that nobody holds has ended for everybody.
 *
 * @param path the state folder, whose lock the caller has
 */
export function isOver(path: string): boolean {
  const file = readBoxFile(path);
  // An instance is named by its host's life. That was here, and it has ended.
  return file !== undefined && (file.over === true || file.net === file.epoch);
}

function makeState(path: string, file: BoxFile, lock: HeldLock, former: string | undefined): StateFolder {
  // A Map, because an id may be `__proto__`, which no object keeps as a key of its own.
  const seqs = new Map(file.seqs);
  return {
    path,
    box: file.box,
    former,
    net: file.net,
    seqs,
    lock,
    async enter(net) {
      let ended: SentEntry[] = [];
      if (file.net === null) {
        // A crash came between a new box and the moving of the former one's files.
        putAside(path, null);
      } else if (file.net !== net) {
        const former = openJournal(join(path, "outbox.jsonl"), outboxLineSchema);
        ended = endOutbox(former);
        for (const line of former.lines) {
          if (line.op !== "out") continue;
          const { toBox, seq } = line.envelope;
          seqs.set(toBox, Math.max(seqs.get(toBox) ?? 0, seq));
        }
        // The numbers are safe before the file that they are read from is moved.
        file.seqs = [...seqs];
        await writeBoxFile(path, file);
        putAside(path, file.net);
      }
      if (file.net !== net) {
        file.net = net;
        await writeBoxFile(path, file);
      }
      return {
        inbox: openJournal(join(path, "inbox.jsonl"), inboxLineSchema),
        outbox: openJournal(join(path, "outbox.jsonl"), outboxLineSchema),
        ended,
      };
    },
    async release(isOver) {
      // Where the disk does not take it, the records are only kept for longer.
      if (isOver) await writeBoxFile(path, { ...file, over: true }).catch(() => undefined);
      await lock.release();
    },
  };
}

/** Ends what waits in the outbox of an earlier instance: it can never be delivered. @throws PilinkError `state-unusable` */
function endOutbox(former: OpenedJournal<z.infer<typeof outboxLineSchema>>): SentEntry[] {
  const outbox = new Outbox(former, new Map());
  try {
    const waiting = outbox.openBoxes().flatMap((box) => [...outbox.openTo(box)]);
    const reason = "its network was closed while this agent was away";
    return waiting.flatMap(({ envelope }) => outbox.move(envelope.id, "expired", reason) ?? []).map(describeEntry);
  } finally {
    outbox.close();
  }
}

/** Moves the files of an instance that is over out of the way; a person may still want to read them. */
function putAside(path: string, net: string | null): void {
  const names = readdirSync(path).filter(
    (name) => name === "inbox.jsonl" || name === "outbox.jsonl" || isRolled(name, auditFile),
  );
  if (names.length === 0) return;
  const target = join(path, "earlier", net ?? "none");
  try {
    const free = makeFreeFolder(target);
    for (const name of names) renameSync(join(path, name), join(free, name));
  } catch (cause) {
    throw unusable(target, cause);
  }
}

/** Makes a folder of that name, or with a number behind it: one instance can have been entered from several folders. */
function makeFreeFolder(path: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (let count = 1; ; count += 1) {
    const free = count === 1 ? path : `${path}-${count}`;
    try {
      mkdirSync(free, { mode: 0o700 });
      return free;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
  }
}

function readBoxFile(path: string): BoxFile | undefined {
  let text: string;
  try {
    text = readFileSync(join(path, "box.json"), "utf8");
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) return undefined;
    throw unusable(join(path, "box.json"), cause);
  }
  try {
    return boxFileSchema.parse(JSON.parse(text));
  } catch {
    // A file that cannot be understood names no box that anybody could prove to be this one: a new box is the safe answer.
    return undefined;
  }
}

async function writeBoxFile(path: string, file: BoxFile): Promise<void> {
  ensureFolder(path);
  await writeFileAtomically(join(path, "box.json"), `${JSON.stringify(file)}\n`);
}
