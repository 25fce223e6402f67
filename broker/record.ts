import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hasCode, listNames, removeFile, unusable, writeFileAtomically } from "../store/folder.ts";
import { type Liveness, livenessOf } from "../store/process.ts";
import { processIdentitySchema } from "../store/process-identity.ts";
import { brokerFolder, markPath, type Place, recordPath } from "./record-file.ts";

const port = z.int().min(1).max(65_535);

/** What a managed broker writes about itself while it runs, in `PILINK_HOME/broker/<port>.json`. */
export const brokerRecordSchema = z.object({
  process: processIdentitySchema,
  /** What it is bound to. */
  host: z.string(),
  port,
  /** How a client on this machine reaches it. */
  url: z.string(),
  /** Where it listens for MQTT over WebSocket, if it does, and how a client on this machine reaches it there. */
  ws: z.object({ port, url: z.string() }).optional(),
  /** The version of this package that it runs. */
  version: z.string(),
  /** In ms since 1970. */
  startedAt: z.number(),
  /** True where it is this home's default broker. */
  local: z.boolean(),
  /** Where, and with which secret, it is asked for its status and to stop; on 127.0.0.1. */
  control: z.object({ port, token: z.string().min(16) }),
});

/** See {@link brokerRecordSchema}. */
export type BrokerRecord = z.infer<typeof brokerRecordSchema>;

/** What `server stop` leaves in `PILINK_HOME/broker/<port>.stopped`: reconnecting peers do not start the broker again. */
const stopMarkSchema = z.object({
  host: z.string(),
  port,
  local: z.boolean(),
  /** In ms since 1970. */
  stoppedAt: z.number(),
});

/** See {@link stopMarkSchema}. */
export type StopMark = z.infer<typeof stopMarkSchema>;

/**
 * The record of the broker at a place.
 *
 * @returns undefined where there is none, or none that can be read
 * @throws PilinkError `state-unusable` where the file cannot be opened
 */
export function readRecord(home: string, place: Place): Promise<BrokerRecord | undefined> {
  return readJson(recordPath(home, place), brokerRecordSchema);
}

/**
 * The records of all brokers of a home, also of those whose process is dead.
 *
 * @throws PilinkError `state-unusable` where a file cannot be opened
 */
export function listRecords(home: string): Promise<BrokerRecord[]> {
  return listJson(home, ".json", brokerRecordSchema);
}

/**
 * This home's default broker: the living one marked as such, else a dead one, whose port is wanted back.
 * Of several the oldest is taken, so that everybody takes the same.
 *
 * @returns undefined where none is recorded
 * @throws PilinkError `state-unusable` where a file cannot be opened
 */
export async function readLocalRecord(home: string): Promise<{ record: BrokerRecord; alive: Liveness } | undefined> {
  const candidates = (await listRecords(home))
    .filter((record) => record.local)
    .sort((a, b) => a.startedAt - b.startedAt)
    .map((record) => ({ record, alive: livenessOf(record.process) }));
  return candidates.find(({ alive }) => alive !== "dead") ?? candidates.at(-1);
}

/** The stop mark of a place. */
export function readStopMark(home: string, place: Place): Promise<StopMark | undefined> {
  return readJson(markPath(home, place), stopMarkSchema);
}

/** The stop mark of this home's default broker, wherever it listened; the latest. */
export async function readLocalStopMark(home: string): Promise<StopMark | undefined> {
  const marks = (await listJson(home, ".stopped", stopMarkSchema)).filter((mark) => mark.local);
  return marks.sort((a, b) => b.stoppedAt - a.stoppedAt)[0];
}

/** Leaves a stop mark. */
export async function writeStopMark(home: string, mark: StopMark): Promise<void> {
  await writeFileAtomically(markPath(home, mark), `${JSON.stringify(mark)}\n`);
}

/** Takes away the stop mark of a place, and with `local` every mark of this home's default broker. */
export async function removeStopMarks(home: string, place: Place, local: boolean): Promise<void> {
  await removeFile(markPath(home, place));
  if (!local) return;
  for (const mark of await listJson(home, ".stopped", stopMarkSchema)) {
    if (mark.local) await removeFile(markPath(home, mark));
  }
}

async function listJson<T>(home: string, ending: string, schema: z.ZodType<T>): Promise<T[]> {
  const folder = brokerFolder(home);
  const names = await listNames(folder);
  const values: T[] = [];
  for (const name of names.filter((name) => name.endsWith(ending))) {
    const value = await readJson(join(folder, name), schema);
    if (value !== undefined) values.push(value);
  }
  return values;
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.safeParse(JSON.parse(await readFile(path, "utf8"))).data;
  } catch (error) {
    // A file that was cut or damaged tells nothing about a running broker; its port does.
    if (hasCode(error, "ENOENT") || error instanceof SyntaxError) return undefined;
    throw unusable(path, error);
  }
}
