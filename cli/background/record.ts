import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ensureFolder, hasCode, listNames, removeFile, unusable, writeFileAtomically } from "../../store/folder.ts";
import { livenessOf } from "../../store/process.ts";
import { processIdentitySchema } from "../../store/process-identity.ts";

/** What a background peer writes about itself, in `PILINK_HOME/background/<id>.json`. */
const recordSchema = z.object({
  id: z.string().regex(/^[a-z0-9]{8,64}$/),
  process: processIdentitySchema,
  network: z.string(),
  name: z.string(),
  kind: z.enum(["host", "member"]),
  /** The broker's address without credentials. */
  url: z.string(),
  /** The working folder that it was started in. */
  folder: z.string(),
  /** Where its inbox is, and whose that is. */
  statePath: z.string(),
  box: z.string(),
  /** Where, and with which secret, it is asked. */
  control: z.object({ path: z.string(), token: z.string().min(16) }),
  /** In milliseconds since 1970. */
  startedAt: z.number(),
  /** Set where it has ended with messages that nobody took. */
  ended: z.object({ reason: z.string(), at: z.number() }).optional(),
});

/** See {@link recordSchema}. */
export type BackgroundRecord = z.infer<typeof recordSchema>;

/** A record, and whether the process behind it lives. */
export interface FoundRecord {
  record: BackgroundRecord;
  isAlive: boolean;
}

/** The folder of everything that background peers write. */
export function backgroundFolder(home: string): string {
  return join(home, "background");
}

/** @throws PilinkError `state-unusable` */
export async function writeRecord(home: string, record: BackgroundRecord): Promise<void> {
  ensureFolder(backgroundFolder(home));
  await writeFileAtomically(recordPath(home, record.id), `${JSON.stringify(record)}\n`);
}

/** @throws PilinkError `state-unusable` */
export async function removeRecord(home: string, { id }: Pick<BackgroundRecord, "id">): Promise<void> {
  await removeFile(recordPath(home, id));
}

/**
 * Every background peer of a home that lives, or has ended and left messages, by network and name.
 *
 * @throws PilinkError `state-unusable` where the folder cannot be read
 */
export async function readRecords(home: string): Promise<FoundRecord[]> {
  const folder = backgroundFolder(home);
  const names = await listNames(folder);
  const read = await Promise.all(names.filter((name) => name.endsWith(".json")).map((name) => readOne(folder, name)));
  return read
    .flat()
    .map((record) => ({
      record,
      isAlive: record.ended === undefined && livenessOf(record.process) !== "dead",
    }))
    .sort((a, b) => keyOf(a.record).localeCompare(keyOf(b.record)) || a.record.startedAt - b.record.startedAt);
}

/** The record of one background peer; undefined where there is none. */
export async function readRecord(home: string, id: string): Promise<BackgroundRecord | undefined> {
  return (await readOne(backgroundFolder(home), `${id}.json`))[0];
}

async function readOne(folder: string, name: string): Promise<BackgroundRecord[]> {
  try {
    const record = recordSchema.safeParse(JSON.parse(await readFile(join(folder, name), "utf8"))).data;
    return record === undefined ? [] : [record];
  } catch (error) {
    // It was removed between the two looks, or is damaged: then it leads to no peer.
    if (hasCode(error, "ENOENT") || error instanceof SyntaxError) return [];
    throw unusable(join(folder, name), error);
  }
}

function recordPath(home: string, id: string): string {
  return join(backgroundFolder(home), `${id}.json`);
}

function keyOf({ network, name }: BackgroundRecord): string {
  return `${network}/${name}`;
}
